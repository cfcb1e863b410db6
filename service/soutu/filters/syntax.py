"""The text of a filter as a tree of restrictions that no schema has seen yet."""

from dataclasses import dataclass

from lark import Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from soutu.filters.grammar import parser
from soutu.filters.refused import refused, shown

LENGTH_LIMIT = 8_192
DEPTH_LIMIT = 32
TERM_LIMIT = 128


@dataclass(frozen=True, slots=True)
class Restriction:
    """A field compared with a literal, each with the column where it begins; `literal` is as written, quotes
    and escapes included."""

    field: str
    comparator: str
    literal: str
    column: int
    literal_column: int

    @property
    def quoted(self) -> bool:
        """Whether the literal is in quotes."""
        return self.literal[:1] in ("'", '"')


def parsed(text: str) -> Tree[Token]:
    """The tree of `text`, which is not blank: nodes `both`, `either`, `negation`, `group`, `restriction`.

    FILTER_INVALID for what is not a filter, and beyond LENGTH_LIMIT characters or DEPTH_LIMIT levels of
    parentheses. What a tree may have of restrictions is for its reader to count.
    """
    _check_characters(text)
    _check_depth(text)
    try:
        return parser().parse(text)
    except UnexpectedInput as error:
        raise _explained(text, error) from error


def restriction_of(node: Tree[Token]) -> Restriction:
    """The restriction that the node holds."""
    field, comparator, literal = (child for child in node.children if isinstance(child, Token))
    return Restriction(
        str(field), str(comparator), str(literal), _column(field.start_pos), _column(literal.start_pos)
    )


def _check_characters(text: str) -> None:
    if len(text) > LENGTH_LIMIT:
        raise refused(LENGTH_LIMIT + 1, f"a filter has at most {LENGTH_LIMIT} characters")
    for place, character in enumerate(text):
        if character == "\0" or "\ud800" <= character <= "\udfff":
            raise refused(place + 1, "this character belongs to no text")


def _check_depth(text: str) -> None:
    """Counts parentheses outside of quotes; where these do not close, the parser says so."""
    depth, quote, escaped = 0, "", False
    for place, character in enumerate(text):
        if quote:
            quote = "" if character == quote and not escaped else quote
            escaped = character == "\\" and not escaped
        elif character in "\"'":
            quote = character
        elif character in "()":
            depth += 1 if character == "(" else -1
            if depth > DEPTH_LIMIT:
                raise refused(place + 1, f"parentheses may be nested {DEPTH_LIMIT} deep")


def _column(place: int | None) -> int:
    return (place or 0) + 1


def _explained(text: str, error: UnexpectedInput) -> Exception:
    match error:
        case UnexpectedCharacters():
            return refused(_column(error.pos_in_stream), _unreadable(text, error))
        case UnexpectedToken(token=token) if token.type != "$END":
            found = shown(str(token))
            return refused(_column(token.start_pos), f"{found} where {_wanted(error.accepts)} should be")
        case UnexpectedToken():
            return refused(len(text) + 1, f"ends where {_wanted(error.accepts)} should be")
    return refused(1, "is not an expression")


def _unreadable(text: str, error: UnexpectedCharacters) -> str:
    place = error.pos_in_stream or 0
    if text[place] in "\"'" and "QUOTED" in error.allowed:
        return "the text that begins here has no closing quote"
    return f"{shown(text[place : place + 10])} where {_wanted(error.allowed)} should be"


def _wanted(terminals: set[str]) -> str:
    if "BARE" in terminals:
        return "a value"
    if "COMPARATOR" in terminals:
        return "a comparison (= != < <= > >= or :)"
    if "AND" in terminals:
        return f"AND, OR, a field or {')' if 'RPAR' in terminals else 'the end'}"
    if "FIELD" in terminals:
        return "a field"
    return ")" if "RPAR" in terminals else "the end"

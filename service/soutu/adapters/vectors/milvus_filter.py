"""Filters as Milvus has them: boolean expressions over the fields of a point, which are one JSON value.

An expression is text, so each value is written as a literal in which every character but letters, digits and
spaces is escaped: nothing that a caller sends can end one. Milvus compares integers, numbers and texts (by
code point) exactly; what it lacks are ends of texts. So each term is enclosed (narrowing.py).
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from soutu.adapters.vectors.kept import is_kept, key_of
from soutu.adapters.vectors.narrowing import Language, Narrowing, enclosed, exactly
from soutu.domain.collection import AttributeType
from soutu.domain.filter import (
    Compares,
    Contains,
    Direction,
    Equals,
    Field,
    Filter,
    Leaf,
    Place,
    Present,
    Value,
)
from soutu.domain.query import Scope

EVERY = "(uid >= 0)"
NONE = "(uid < 0)"
_LEAST_INTEGER = -(2**63)  # which cannot be written: it is read as a minus before what is too large
_LAST_CODE_POINT = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def narrowing(filter_: Filter) -> Narrowing[str]:
    """The expressions that enclose the filter."""
    return enclosed(filter_, Language(all_of, _any_of, _none_of, _leaf))


def condition_of(scope: Scope) -> str:
    """What the points of a scope have in common, at least; "" for all points. A point whose fields were too
    many to be kept is always one of them."""
    if scope.uids is not None:
        return among(scope.uids)
    return "" if scope.filter is None else _any_of([narrowing(scope.filter).over, "cut == true"])


def all_of(conditions: Sequence[str]) -> str:
    """All of them hold."""
    return f"({' and '.join(conditions)})"


def among(uids: Iterable[int]) -> str:
    """The point is one of these."""
    return f"uid in [{','.join(map(str, sorted(uids)))}]"


def moment_of(value: datetime) -> int:
    """A moment as points have it: microseconds since 1970, exactly."""
    return (value - _EPOCH) // timedelta(microseconds=1)


def _any_of(conditions: Sequence[str]) -> str:
    return f"({' or '.join(conditions)})"


def _none_of(condition: str) -> str:
    return f"(not {condition})"


def _leaf(leaf: Leaf) -> Narrowing[str]:
    if not is_kept(leaf.field.name):
        return Narrowing(EVERY, NONE, over_is_loose=True, under_is_loose=True)
    match leaf:
        case Present(field):
            return exactly(_is_set(field))
        case Equals(field, value):
            return exactly(_equals(field, value))
        case Compares(field, direction, value):
            return exactly(_compares(field, direction, value))
        case Contains(field, Place.START, text) if field.type is AttributeType.STRING:
            return exactly(_starts(field, text))
        case Contains(field):
            return Narrowing(_is_set(field), NONE, over_is_loose=True, under_is_loose=True)


def _is_set(field: Field) -> str:
    return f"(exists {_key(field)})"


def _equals(field: Field, value: Value) -> str:
    if field.type is AttributeType.STRINGS:
        return f"(json_contains({_key(field)}, {_literal(value)}))"
    if value == _LEAST_INTEGER:
        return f"({_key(field)} < {_LEAST_INTEGER + 1})"
    return f"({_key(field)} == {_literal(value)})"


def _compares(field: Field, direction: Direction, value: Value) -> str:
    if isinstance(value, int) and value == _LEAST_INTEGER:
        return _compares_with_the_least(field, direction)
    return f"({_key(field)} {direction.value} {_literal(value)})"


def _compares_with_the_least(field: Field, direction: Direction) -> str:
    match direction:
        case Direction.LESS:
            return NONE
        case Direction.AT_MOST:
            return _equals(field, _LEAST_INTEGER)
        case Direction.MORE:
            return f"({_key(field)} >= {_LEAST_INTEGER + 1})"
        case Direction.AT_LEAST:
            return _is_set(field)


def _starts(field: Field, text: str) -> str:
    """As a range: patterns would give some characters a meaning."""
    least, beyond = f"{_key(field)} >= {_literal(text)}", _beyond(text)
    return f"({least} and {_key(field)} < {_literal(beyond)})" if beyond else f"({least})"


def _beyond(text: str) -> str:
    """The first text, by code point, behind all those that start with `text`; "" where there is none."""
    kept = text.rstrip(chr(_LAST_CODE_POINT))
    if not kept:
        return ""
    following = ord(kept[-1]) + 1
    return kept[:-1] + chr(_SURROGATES.stop if following in _SURROGATES else following)


def _key(field: Field) -> str:
    return f"fields[{_text(key_of(field.name))}]"


def _literal(value: Value) -> str:
    match value:
        case bool():
            return str(int(value))
        case datetime():
            return str(moment_of(value))
        case str():
            return _text(value)
        case _:
            return repr(value)


def _text(text: str) -> str:
    return f'"{"".join(map(_character, text))}"'


def _character(character: str) -> str:
    if character.isascii() and (character.isalnum() or character in " _"):
        return character
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"

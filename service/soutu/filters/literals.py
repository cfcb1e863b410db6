"""Literals of filters: text, numbers, booleans and moments, from and to what is written."""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from soutu.domain.filter import Field, Value
from soutu.filters.refused import refused, shown
from soutu.filters.schema import WORDS
from soutu.filters.syntax import Restriction

_INTEGER = re.compile(r"[-+]?[0-9]{1,30}")
_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,5})?")
_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})?([Zz]|[-+][0-9]{2}:[0-9]{2})"
)
_BARE = re.compile(r"(?!(AND|OR|NOT)$)[^\s()\"'\\=<>!,*\0]+")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'", "*": "*"}
_CODE_POINT = re.compile(r"[0-9a-fA-F]{4}")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A text with or without wildcards at its ends."""

    text: str
    open_start: bool = False
    open_end: bool = False

    @property
    def exact(self) -> bool:
        """Whether it has no wildcard."""
        return not (self.open_start or self.open_end)


def pattern_of(restriction: Restriction) -> Pattern:
    """The text, its escapes resolved; `*` is a wildcard where it is not escaped, at the ends only."""
    characters = _characters(restriction)
    start, end = 0, len(characters)
    while start < end and characters[start] is None:
        start += 1
    while end > start and characters[end - 1] is None:
        end -= 1
    inner = [character for character in characters[start:end] if character is not None]
    if len(inner) < end - start:
        raise refused(
            restriction.literal_column, r"* stands for anything at the ends of a text only; \* is a star"
        )
    return Pattern(_joined("".join(inner), restriction), start > 0, end < len(characters))


def integer_of(restriction: Restriction) -> int:
    """An integer of 64 bits."""
    if restriction.quoted or not _INTEGER.fullmatch(restriction.literal):
        raise _not(restriction, "an integer, such as 42")
    value = int(restriction.literal)
    if not -(1 << 63) <= value < 1 << 63:
        raise _not(restriction, "an integer of 64 bits")
    return value


def number_of(restriction: Restriction) -> float:
    """A finite float64."""
    if restriction.quoted or not _NUMBER.fullmatch(restriction.literal):
        raise _not(restriction, "a number, such as 0.5 or 1e-3")
    value = float(restriction.literal)
    if not math.isfinite(value):
        raise _not(restriction, "a number that 64 bits can hold")
    return value + 0.0  # -0.0 is 0.0


def boolean_of(restriction: Restriction) -> bool:
    """`true` or `false`."""
    if restriction.literal not in ("true", "false"):
        raise _not(restriction, "true or false")
    return restriction.literal == "true"


def moment_of(restriction: Restriction) -> datetime:
    """An RFC 3339 moment with its zone, in UTC; in quotes or not."""
    text = restriction.literal[1:-1] if restriction.quoted else restriction.literal
    found = _MOMENT.fullmatch(text)
    if not found:
        raise _not(restriction, "a moment with its zone, such as 2026-01-31T12:00:00Z")
    day, clock, fraction, zone = found.groups()
    fraction = (fraction or "").rstrip("0").rstrip(".")
    if len(fraction) > len(".123456"):
        raise _not(restriction, "a moment of whole microseconds")
    try:
        return datetime.fromisoformat(f"{day}T{clock}{fraction}{zone.upper()}").astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _not(restriction, "a moment of the calendar, in the years 1 to 9999") from error


def literal_of(field: Field, value: Value) -> str:
    """The value of a field as a filter writes it."""
    match value:
        case bool():
            return str(value).lower()
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case str():
            words = WORDS.get(field.name, {})
            return next((word for word, own in words.items() if own == value), _text_literal(value))
    return str(value)


def _text_literal(text: str) -> str:
    """Bare where that is possible, else in quotes."""
    if _BARE.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("*", "\\*")
    return f'"{escaped}"'


def _characters(restriction: Restriction) -> list[str | None]:
    """The characters of the literal; None for each wildcard."""
    if not restriction.quoted:
        return [None if character == "*" else character for character in restriction.literal]
    inside, place = restriction.literal[1:-1], 0
    characters: list[str | None] = []
    while place < len(inside):
        character, place = inside[place], place + 1
        if character != "\\":
            characters.append(None if character == "*" else character)
            continue
        escape, place = inside[place], place + 1
        if escape == "u" and (found := _CODE_POINT.match(inside, place)):
            characters.append(chr(int(found[0], 16)))
            place = found.end()
        elif escape in _ESCAPES:
            characters.append(_ESCAPES[escape])
        else:
            column = restriction.literal_column + place - 1
            raise refused(column, r"the escapes are \\ \" \' \* \n \r \t and \u with four hexadecimal digits")
    return characters


def _joined(text: str, restriction: Restriction) -> str:
    """The text with its surrogate pairs joined; refused with half a pair, or with NUL."""
    try:
        joined = text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError as error:
        raise refused(restriction.literal_column, "the text has half of a surrogate pair") from error
    if "\0" in joined:
        raise refused(restriction.literal_column, "a text has no NUL characters")
    return joined


def _not(restriction: Restriction, wanted: str) -> Exception:
    sentence = f"{restriction.field} is compared with {wanted}, not with {shown(restriction.literal)}"
    return refused(restriction.literal_column, sentence)

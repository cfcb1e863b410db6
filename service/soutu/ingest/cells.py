"""Cells of a manifest become metadata: text from CSV, typed values from Parquet."""

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time

from soutu.domain.collection import AttributeType
from soutu.domain.errors import SoutuError, invalid_field
from soutu.domain.image import AttributeValue, checked_image_id
from soutu.ingest.sources import Said, is_text

FIELDS = frozenset(["image_id", "title", "tags", "category", "rating", "source_uri"])
ATTRIBUTE = "attributes."
_TEXT_LIMITS = {"title": 512, "category": 128, "source_uri": 2_048}  # characters, as image.proto says
_TAG_CHARACTERS = 128
_ATTRIBUTE_CHARACTERS = 1_024
_LIST_ITEMS = 64
_INTEGERS = range(-(2**63), 2**63)
_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def said_of(cells: Mapping[str, object], schema: Mapping[str, AttributeType]) -> Said:
    """What a row says; `cells` are by field (image_id, title, attributes.NAME and so on). An empty cell says
    nothing. FIELD_INVALID naming the field."""
    given = {name: cell for name, cell in cells.items() if not _is_empty(cell)}
    image_id = given.pop("image_id", None)
    return Said(
        image_id="" if image_id is None else checked_image_id(_text(image_id, "image_id", 128)),
        fields={name: _field(name, cell) for name, cell in given.items() if name in FIELDS},
        attributes={
            name.removeprefix(ATTRIBUTE): _MAKERS[schema[name.removeprefix(ATTRIBUTE)]](cell, name)
            for name, cell in given.items()
            if name.startswith(ATTRIBUTE)
        },
    )


def _is_empty(cell: object) -> bool:
    return cell is None or cell == "" or (isinstance(cell, float) and math.isnan(cell))


def _field(name: str, cell: object) -> object:
    if name == "tags":
        return _texts(cell, name, _TAG_CHARACTERS)
    if name == "rating":
        rating = _integer(cell, name)
        if not 0 <= rating <= 5:
            raise invalid_field(name, "must be from 0 to 5")
        return rating
    return _text(cell, name, _TEXT_LIMITS[name])


def _text(cell: object, name: str, limit: int) -> str:
    if not isinstance(cell, str | int | float):
        raise invalid_field(name, "must be text")
    text = str(cell)
    if len(text) > limit:
        raise invalid_field(name, f"must have at most {limit} characters")
    if not is_text(text):
        raise invalid_field(name, "must be Unicode without NUL characters")
    return text


def _texts(cell: object, name: str, limit: int) -> tuple[str, ...]:
    """The items of a list, or of text that semicolons divide."""
    items: Iterable[object] = cell.split(";") if isinstance(cell, str) else _listed(cell, name)
    texts = [_text(item, name, limit).strip() for item in items]
    unique = tuple(dict.fromkeys(text for text in texts if text))
    if len(unique) > _LIST_ITEMS:
        raise invalid_field(name, f"must be at most {_LIST_ITEMS}")
    return unique


def _listed(cell: object, name: str) -> Iterable[object]:
    if not isinstance(cell, list | tuple):
        raise invalid_field(name, "must be a list, or text with semicolons between the items")
    return cell


def _integer(cell: object, name: str) -> int:
    try:
        number = int(cell) if isinstance(cell, str) else cell
    except ValueError:
        number = None
    if isinstance(number, float) and number.is_integer():
        number = int(number)  # what a column of integers with gaps becomes on its way through pandas
    if not isinstance(number, int) or isinstance(number, bool) or number not in _INTEGERS:
        raise invalid_field(name, "must be a 64-bit integer")
    return number


def _number(cell: object, name: str) -> float:
    try:
        number = float(cell) if isinstance(cell, str | int | float) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise invalid_field(name, "must be a finite number")
    return number


def _boolean(cell: object, name: str) -> bool:
    truth = _TRUTHS.get(str(cell).strip().lower())
    if truth is None:
        raise invalid_field(name, "must be true or false")
    return truth


def _moment(cell: object, name: str) -> datetime:
    """An ISO 8601 text or a date or time; UTC where no zone is given."""
    try:
        moment = datetime.fromisoformat(cell.strip()) if isinstance(cell, str) else cell
        if isinstance(moment, date) and not isinstance(moment, datetime):
            moment = datetime.combine(moment, time())
        if isinstance(moment, datetime):
            return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _no_moment(name) from error
    raise _no_moment(name)


def _no_moment(name: str) -> SoutuError:
    return invalid_field(name, "must be a time such as 2026-01-31T12:00:00Z")


_MAKERS: Mapping[AttributeType, Callable[[object, str], AttributeValue]] = {
    AttributeType.STRING: lambda cell, name: _text(cell, name, _ATTRIBUTE_CHARACTERS),
    AttributeType.INTEGER: _integer,
    AttributeType.NUMBER: _number,
    AttributeType.BOOLEAN: _boolean,
    AttributeType.TIMESTAMP: _moment,
    AttributeType.STRINGS: lambda cell, name: _texts(cell, name, _ATTRIBUTE_CHARACTERS),
}

"""Page tokens of ordered lists: the keys and the id of the last image shown, checked when they come back."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from soutu.browse.selections import Place
from soutu.domain.collection import AttributeType
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.filter import OrderKey
from soutu.domain.image import checked_image_id
from soutu.rpc.listing import items_after, list_token


def place_token(listing: str, place: Place) -> str:
    """The token with which `listing` (its method and arguments, as text) continues behind the place."""
    return list_token(listing, [_written(value) for value in place])


def place_reader(listing: str, token: str) -> Callable[[tuple[OrderKey, ...]], Place]:
    """Reads the place that a token of this listing holds, () for no token; PAGE_TOKEN_INVALID for another
    list's, and for what is no place in the order."""

    def read(order: tuple[OrderKey, ...]) -> Place:
        items = items_after(listing, token)
        if not items:
            return ()
        try:
            return _place(items, order)
        except (ValueError, TypeError, SoutuError) as error:
            raise SoutuError(Reason.PAGE_TOKEN_INVALID, field="page_token") from error

    return read


def _place(items: Sequence[object], order: tuple[OrderKey, ...]) -> Place:
    *values, image_id = items
    keys = [_key(value, key.field.type) for value, key in zip(values, order, strict=True)]
    return (*keys, checked_image_id(_text(image_id)))


def _written(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _key(value: object, kind: AttributeType) -> object:
    return None if value is None else _READERS[kind](value)


def _text(value: object) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("not a text")
    value.encode()
    return value


def _integer(value: object) -> int:
    if type(value) is not int or not -(1 << 63) <= value < 1 << 63:
        raise ValueError("not an integer of 64 bits")
    return value


def _number(value: object) -> float:
    if not isinstance(value, float) or not math.isfinite(value):
        raise ValueError("not a number")
    return value


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("not a boolean")
    return value


def _moment(value: object) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        raise ValueError("without a zone")
    return moment


_READERS: Mapping[AttributeType, Callable[[object], object]] = {
    AttributeType.STRING: _text,
    AttributeType.INTEGER: _integer,
    AttributeType.NUMBER: _number,
    AttributeType.BOOLEAN: _boolean,
    AttributeType.TIMESTAMP: _moment,
}

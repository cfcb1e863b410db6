"""What a filter means, in plain Python: the measure for everything that stores make of it."""

import operator
from collections.abc import Callable, Mapping
from typing import Any

from soutu.domain.filter import (
    And,
    Compares,
    Contains,
    Direction,
    Equals,
    Filter,
    Not,
    Or,
    Place,
    Present,
)

_DIRECTIONS: Mapping[Direction, Callable[[Any, Any], bool]] = {
    Direction.LESS: operator.lt,
    Direction.AT_MOST: operator.le,
    Direction.MORE: operator.gt,
    Direction.AT_LEAST: operator.ge,
}
_PLACES: Mapping[Place, Callable[[str, str], bool]] = {
    Place.START: str.startswith,
    Place.END: str.endswith,
    Place.ANYWHERE: operator.contains,
}


def accepts(filter_: Filter, fields: Mapping[str, Any]) -> bool:
    """Whether an image with these fields (those of `soutu.domain.fields.fields_of`) satisfies the filter."""
    match filter_:
        case And(terms):
            return all(accepts(term, fields) for term in terms)
        case Or(terms):
            return any(accepts(term, fields) for term in terms)
        case Not(term):
            return not accepts(term, fields)
        case Present(field):
            return field.name in fields
        case Compares(field, direction, value):
            own = fields.get(field.name)
            return own is not None and _DIRECTIONS[direction](own, value)
        case Equals(field, value):
            return any(own == value for own in _values(fields.get(field.name)))
        case Contains(field, place, text):
            return any(_PLACES[place](own, text) for own in _values(fields.get(field.name)))


def _values(value: Any) -> tuple[Any, ...]:
    """A set's items, a field's one value, or none."""
    if isinstance(value, tuple):
        return value
    return () if value is None else (value,)

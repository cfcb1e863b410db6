"""Filters as Qdrant Edge has them.

The engine cannot say everything exactly: it compares integers as float64, knows no ends of texts, and not
every field is kept beside the vectors. So each term is enclosed (narrowing.py).
"""

import math
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import qdrant_edge as edge

from soutu.adapters.vectors.kept import is_kept, key_of
from soutu.adapters.vectors.narrowing import Language, Narrowing, enclosed, exactly
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

_BOUNDS = {Direction.LESS: "lt", Direction.AT_MOST: "lte", Direction.MORE: "gt", Direction.AT_LEAST: "gte"}
_EXACT_BELOW = 2**53
_ULPS = 4  # by which a number may have been misread on its way through JSON
Condition = edge.FieldCondition | edge.Filter | edge.HasIdCondition
_Range = edge.RangeFloat | edge.RangeDateTime


def narrowing(filter_: Filter) -> Narrowing[Condition]:
    """The conditions that enclose the filter."""
    return enclosed(filter_, Language(all_of, _any_of, _none_of, _leaf))


def condition_of(scope: Scope) -> edge.Filter | None:
    """What the points of a scope have in common, at least; None for all points."""
    if scope.uids is not None:
        return edge.Filter(must=[among(scope.uids)])
    return None if scope.filter is None else edge.Filter(must=[narrowing(scope.filter).over])


def all_of(conditions: Sequence[Condition]) -> Condition:
    """All of them hold."""
    return edge.Filter(must=list(conditions))


def among(uids: Iterable[int]) -> Condition:
    """The point is one of these."""
    return edge.HasIdCondition(set(uids))


def _any_of(conditions: Sequence[Condition]) -> Condition:
    return edge.Filter(should=list(conditions))


def _none_of(condition: Condition) -> Condition:
    return edge.Filter(must_not=[condition])


def _leaf(leaf: Leaf) -> Narrowing[Condition]:
    if not is_kept(leaf.field.name):
        return Narrowing(all_of([]), among(()), over_is_loose=True, under_is_loose=True)
    match leaf:
        case Present(field):
            return exactly(_is_set(field))
        case Equals(field, value):
            return _equal(field, value)
        case Contains(field, Place.START, text):
            return exactly(_matching(field, edge.MatchPrefix(text)))
        case Contains(field, Place.ANYWHERE, text):
            return exactly(_matching(field, edge.MatchSubstring(text)))
        case Contains(field, _, text):
            inside = _matching(field, edge.MatchSubstring(text))
            return Narrowing(inside, among(()), over_is_loose=True, under_is_loose=True)
        case Compares(field, direction, value):
            return _compared(field, direction, value)


def _equal(field: Field, value: Value) -> Narrowing[Condition]:
    if isinstance(value, float):
        near = _ranged(field, edge.RangeFloat(gte=_stepped(value, -_ULPS), lte=_stepped(value, _ULPS)))
        return Narrowing(near, among(()), under_is_loose=True)
    if isinstance(value, datetime):
        moment = _moment(value)
        return exactly(_ranged(field, edge.RangeDateTime(gte=moment, lte=moment)))
    return exactly(_matching(field, edge.MatchValue(int(value) if isinstance(value, bool) else value)))


def _compared(field: Field, direction: Direction, value: Value) -> Narrowing[Condition]:
    match value:
        case datetime():
            bounds: dict[str, Any] = {_BOUNDS[direction]: _moment(value)}
            return exactly(_ranged(field, edge.RangeDateTime(**bounds)))
        case str():
            return Narrowing(_is_set(field), among(()), over_is_loose=True, under_is_loose=True)
        case int() if abs(value) < _EXACT_BELOW:
            return exactly(_ranged(field, _numbers(direction, float(value))))
    upwards = direction in (Direction.MORE, Direction.AT_LEAST)
    outwards = -_ULPS if upwards else _ULPS
    over = _ranged(field, _numbers(direction, _stepped(float(value), outwards)))
    under = _ranged(field, _numbers(direction, _stepped(float(value), -outwards)))
    return Narrowing(over, under)


def _is_set(field: Field) -> Condition:
    return edge.Filter(must_not=[edge.IsEmptyCondition(key_of(field.name))])


def _matching(field: Field, match: Any) -> Condition:
    return edge.FieldCondition(key_of(field.name), match=match)


def _ranged(field: Field, bounds: _Range) -> Condition:
    return edge.FieldCondition(key_of(field.name), range=bounds)


def _numbers(direction: Direction, bound: float) -> edge.RangeFloat:
    bounds: dict[str, Any] = {_BOUNDS[direction]: bound}
    return edge.RangeFloat(**bounds)


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).isoformat()


def _stepped(value: float, ulps: int) -> float:
    """The float so many steps away; the greatest there is, at the end."""
    for _ in range(abs(ulps)):
        value = math.nextafter(value, math.copysign(math.inf, ulps))
    return min(max(value, -sys.float_info.max), sys.float_info.max)

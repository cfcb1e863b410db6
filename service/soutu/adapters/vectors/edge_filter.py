"""Filters as Qdrant Edge has them.

The engine cannot say everything exactly: it compares integers as float64, knows no ends of texts, and not
every field is kept beside the vectors. So each term becomes two conditions: `over` holds wherever the
term does, and perhaps elsewhere; `under` holds only where the term does. NOT swaps the two. What a search
finds by `over` is looked at once more where the row is read.
"""

import math
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import qdrant_edge as edge

from soutu.adapters.vectors.edge_payload import is_kept, key_of
from soutu.domain.filter import (
    And,
    Compares,
    Contains,
    Direction,
    Equals,
    Field,
    Filter,
    Leaf,
    Not,
    Or,
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


@dataclass(frozen=True, slots=True)
class Narrowing:
    """A term from above and from below. `over_is_loose` says that far more points may satisfy `over` than the
    term, `under_is_loose` that far fewer may satisfy `under`."""

    over: Condition
    under: Condition
    over_is_loose: bool = False
    under_is_loose: bool = False


def narrowing(filter_: Filter) -> Narrowing:
    """The conditions that enclose the filter."""
    match filter_:
        case And(terms):
            return _joined([narrowing(term) for term in terms], all_of)
        case Or(terms):
            return _joined([narrowing(term) for term in terms], _any_of)
        case Not(term):
            inner = narrowing(term)
            over, under = _none_of(inner.under), _none_of(inner.over)
            return Narrowing(over, under, inner.under_is_loose, inner.over_is_loose)
        case _:
            return _leaf(filter_)


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


def _joined(parts: Sequence[Narrowing], join: Callable[[Sequence[Condition]], Condition]) -> Narrowing:
    return Narrowing(
        join([part.over for part in parts]),
        join([part.under for part in parts]),
        any(part.over_is_loose for part in parts),
        any(part.under_is_loose for part in parts),
    )


def _leaf(leaf: Leaf) -> Narrowing:
    if not is_kept(leaf.field):
        return Narrowing(all_of([]), among(()), over_is_loose=True, under_is_loose=True)
    match leaf:
        case Present(field):
            return _exactly(_is_set(field))
        case Equals(field, value):
            return _equal(field, value)
        case Contains(field, Place.START, text):
            return _exactly(_matching(field, edge.MatchPrefix(text)))
        case Contains(field, Place.ANYWHERE, text):
            return _exactly(_matching(field, edge.MatchSubstring(text)))
        case Contains(field, _, text):
            inside = _matching(field, edge.MatchSubstring(text))
            return Narrowing(inside, among(()), over_is_loose=True, under_is_loose=True)
        case Compares(field, direction, value):
            return _compared(field, direction, value)


def _equal(field: Field, value: Value) -> Narrowing:
    if isinstance(value, float):
        near = _ranged(field, edge.RangeFloat(gte=_stepped(value, -_ULPS), lte=_stepped(value, _ULPS)))
        return Narrowing(near, among(()), under_is_loose=True)
    if isinstance(value, datetime):
        moment = _moment(value)
        return _exactly(_ranged(field, edge.RangeDateTime(gte=moment, lte=moment)))
    return _exactly(_matching(field, edge.MatchValue(int(value) if isinstance(value, bool) else value)))


def _compared(field: Field, direction: Direction, value: Value) -> Narrowing:
    match value:
        case datetime():
            bounds: dict[str, Any] = {_BOUNDS[direction]: _moment(value)}
            return _exactly(_ranged(field, edge.RangeDateTime(**bounds)))
        case str():
            return Narrowing(_is_set(field), among(()), over_is_loose=True, under_is_loose=True)
        case int() if abs(value) < _EXACT_BELOW:
            return _exactly(_ranged(field, _numbers(direction, float(value))))
    upwards = direction in (Direction.MORE, Direction.AT_LEAST)
    outwards = -_ULPS if upwards else _ULPS
    over = _ranged(field, _numbers(direction, _stepped(float(value), outwards)))
    under = _ranged(field, _numbers(direction, _stepped(float(value), -outwards)))
    return Narrowing(over, under)


def _exactly(condition: Condition) -> Narrowing:
    return Narrowing(condition, condition)


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

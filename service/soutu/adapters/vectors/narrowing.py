"""What encloses a filter in the conditions of a store that cannot say everything exactly.

Each term becomes two conditions: `over` holds wherever the term does, and perhaps elsewhere; `under` holds
only where the term does. NOT swaps the two. What a search finds by `over` is looked at once more where the
row is read (docs/decisions/0012).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from soutu.domain.filter import And, Filter, Leaf, Not, Or

Condition = TypeVar("Condition")


@dataclass(frozen=True, slots=True)
class Narrowing(Generic[Condition]):
    """A term from above and from below. `over_is_loose` says that far more points may satisfy `over` than the
    term, `under_is_loose` that far fewer may satisfy `under`."""

    over: Condition
    under: Condition
    over_is_loose: bool = False
    under_is_loose: bool = False


@dataclass(frozen=True, slots=True)
class Language(Generic[Condition]):
    """How a store says that all conditions hold, that one does, that one does not, and what a leaf is."""

    all_of: Callable[[Sequence[Condition]], Condition]
    any_of: Callable[[Sequence[Condition]], Condition]
    none_of: Callable[[Condition], Condition]
    leaf: Callable[[Leaf], Narrowing[Condition]]


def exactly(condition: Condition) -> Narrowing[Condition]:
    """A term that the store can say as it is."""
    return Narrowing(condition, condition)


def enclosed(filter_: Filter, language: Language[Condition]) -> Narrowing[Condition]:
    """The conditions that enclose the filter."""
    match filter_:
        case And(terms):
            return _joined([enclosed(term, language) for term in terms], language.all_of)
        case Or(terms):
            return _joined([enclosed(term, language) for term in terms], language.any_of)
        case Not(term):
            inner = enclosed(term, language)
            over, under = language.none_of(inner.under), language.none_of(inner.over)
            return Narrowing(over, under, inner.under_is_loose, inner.over_is_loose)
        case _:
            return language.leaf(filter_)


def _joined(
    parts: Sequence[Narrowing[Condition]], join: Callable[[Sequence[Condition]], Condition]
) -> Narrowing[Condition]:
    return Narrowing(
        join([part.over for part in parts]),
        join([part.under for part in parts]),
        any(part.over_is_loose for part in parts),
        any(part.under_is_loose for part in parts),
    )

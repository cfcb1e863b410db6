"""Boosts: what a query adds to the scores of images that satisfy a filter, and where it looks for them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from soutu.domain.collection import Collection
from soutu.domain.errors import Reason, SoutuError, invalid_field
from soutu.domain.fields import fields_of
from soutu.domain.filter import Filter, leaves
from soutu.domain.image import Image
from soutu.domain.query import Boost, Degradation
from soutu.filters.check import negated
from soutu.filters.evaluate import accepts
from soutu.filters.parse import parse_filter
from soutu.filters.syntax import TERM_LIMIT

NOTHING_LEFT = -math.inf  # how far a list went down that holds all there is
CUT = Degradation("boosts", Reason.BOOSTS_TRUNCATED.name)
"""Images farther off than those that were looked at might belong among the matches."""


@dataclass(frozen=True, slots=True)
class Boosts:
    """Filters with what each adds to the score of an image that it accepts, never 0."""

    terms: tuple[tuple[Filter, float], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.terms)

    def of(self, image: Image) -> float:
        """What an image is given."""
        fields = fields_of(image)
        return sum(amount for filter_, amount in self.terms if accepts(filter_, fields))

    @property
    def favoured(self) -> tuple[Filter, ...]:
        """Of each boost, which images it sets before the others: where it lowers, those that it does not
        accept."""
        return tuple(filter_ if amount > 0 else negated(filter_) for filter_, amount in self.terms)

    def ceiling(self, reached: float, favoured: Sequence[float]) -> float:
        """The most that an image can score which no list of nearest images has: the list of all went down to
        the inner product `reached`, and that of each of `favoured` to its own; NOTHING_LEFT for a list that
        holds all there is.

        Such an image is below `reached`, and below the list of whatever favours it: as in the threshold
        algorithm of Fagin, Lotem and Naor, Optimal Aggregation Algorithms for Middleware, 2003.
        """
        if not self.terms:
            return reached
        ends = [min(each, reached) for each in favoured]
        least = sum(min(amount, 0.0) for _, amount in self.terms)
        gains = [abs(amount) for _, amount in self.terms]
        bounds = (
            end + least + sum(gain for gain, own in zip(gains, ends, strict=True) if own >= end)
            for end in {reached, *ends}
        )
        return score_of(max(bounds), 0.0)


NO_BOOSTS = Boosts()


def score_of(nearest: float, boost: float) -> float:
    """The score of an image with this inner product, as float32, which is what page tokens keep."""
    return float(np.float32(nearest + boost))


def parse_boosts(boosts: Sequence[Boost], collection: Collection) -> Boosts:
    """What the boosts mean for the collection's images; FILTER_INVALID as of filters, FIELD_INVALID for a
    blank filter or for more than 128 comparisons in all."""
    filters = [_filter(boost, f"boosts[{place}].filter", collection) for place, boost in enumerate(boosts)]
    if sum(1 for filter_ in filters for _ in leaves(filter_)) > TERM_LIMIT:
        raise invalid_field("boosts", f"must have at most {TERM_LIMIT} comparisons in all")
    pairs = zip(filters, boosts, strict=True)
    return Boosts(tuple((filter_, boost.amount) for filter_, boost in pairs if boost.amount))


def _filter(boost: Boost, field: str, collection: Collection) -> Filter:
    try:
        filter_ = parse_filter(boost.filter, collection)
    except SoutuError as error:
        sentence = error.message.removeprefix("filter")
        raise SoutuError(error.reason, f"{field}{sentence}", **{**error.metadata, "field": field}) from error
    if filter_ is None:
        raise invalid_field(field, "must say which images the boost is for")
    return filter_

"""Filters: what an image must satisfy, as a typed tree that every store compiles for itself.

The meaning is the same everywhere; filters/evaluate.py spells it out. Texts are compared by code point: case
and accents count. An empty text and an empty set are fields that are not set, and what is not set satisfies
no leaf.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from soutu.domain.collection import AttributeType

Value = str | int | float | bool | datetime


@dataclass(frozen=True, slots=True)
class Field:
    """A field of images, by the name that filters, orders and facets have for it, such as `exif.camera` or
    `attributes.price`."""

    name: str
    type: AttributeType


class Place(StrEnum):
    """Where in a text another one is to be found."""

    START = "start"
    END = "end"
    ANYWHERE = "anywhere"


class Direction(StrEnum):
    """The comparisons that need an order."""

    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="


@dataclass(frozen=True, slots=True)
class Present:
    """The field is set."""

    field: Field


@dataclass(frozen=True, slots=True)
class Equals:
    """The field, or one item of a set, is this value. A text is never empty here."""

    field: Field
    value: Value


@dataclass(frozen=True, slots=True)
class Compares:
    """The field lies on this side of the value. Never of a set or a boolean."""

    field: Field
    direction: Direction
    value: Value


@dataclass(frozen=True, slots=True)
class Contains:
    """The text of the field, or of one item of a set, has `text`, which is not empty, at this place."""

    field: Field
    place: Place
    text: str


@dataclass(frozen=True, slots=True)
class Not:
    """The term does not hold."""

    term: "Filter"


@dataclass(frozen=True, slots=True)
class And:
    """All terms hold, of which there are two or more."""

    terms: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """One term holds at least, of two or more."""

    terms: tuple["Filter", ...]


Leaf = Present | Equals | Compares | Contains
Filter = Leaf | Not | And | Or


@dataclass(frozen=True, slots=True)
class OrderKey:
    """A field to order by, never a set. What is not set comes before everything else, or last where
    `descending`."""

    field: Field
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """Which images a list shows, and in which order; equal ones come by id."""

    filter: Filter | None = None
    order: tuple[OrderKey, ...] = ()


def leaves(filter_: Filter) -> Iterator[Leaf]:
    """The tree's leaves, from left to right."""
    match filter_:
        case Not(term):
            yield from leaves(term)
        case And(terms) | Or(terms):
            for term in terms:
                yield from leaves(term)
        case _:
            yield filter_

"""Reading many images: pages of them, their number, how they are spread over the values of fields."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from soutu.domain.fields import fields_of
from soutu.domain.filter import Field, Listing, OrderKey
from soutu.domain.image import Image
from soutu.filters.literals import literal_of
from soutu.filters.parse import parse_fields, parse_filter, parse_order
from soutu.ports import Catalog

# The keys of an order (None for what is not set) and the id of the last image shown.
Place = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Facet:
    """The most frequent values of a field, as a filter writes them, with how many images have each."""

    field: Field
    values: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of images, and where the next one begins: None where there is none."""

    images: tuple[Image, ...]
    next_place: Place | None


class Selections:
    """The stories of filtered lists. Filters and orders are texts: FILTER_INVALID, FIELD_INVALID."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def list(
        self,
        collection_id: str,
        filter_text: str,
        order_text: str,
        limit: int,
        place_of: Callable[[tuple[OrderKey, ...]], Place],
    ) -> Listed:
        """Up to `limit` images behind the place that `place_of` reads for the order: COLLECTION_NOT_FOUND."""
        collection = (await self._catalog.head(collection_id)).collection
        listing = Listing(parse_filter(filter_text, collection), parse_order(order_text, collection))
        place = place_of(listing.order)
        found = await self._catalog.find_images(collection.uid, listing, place, limit + 1)
        shown = tuple(found[:limit])
        return Listed(shown, _place(shown[-1], listing.order) if len(found) > limit else None)

    async def count(self, collection_id: str, filter_text: str) -> int:
        """How many images satisfy the filter."""
        collection = (await self._catalog.head(collection_id)).collection
        wanted = parse_filter(filter_text, collection)
        if wanted is None:
            return collection.image_count
        return await self._catalog.count_images(collection.uid, wanted)

    async def facets(
        self, collection_id: str, filter_text: str, names: Sequence[str], limit: int
    ) -> Sequence[Facet]:
        """For each field its `limit` most frequent values among the images that satisfy the filter."""
        collection = (await self._catalog.head(collection_id)).collection
        wanted, fields = parse_filter(filter_text, collection), parse_fields(names, collection)
        facets = []
        for field in fields:
            found = await self._catalog.facet(collection.uid, wanted, field, limit)
            facets.append(Facet(field, tuple((literal_of(field, value), count) for value, count in found)))
        return facets


def _place(image: Image, order: tuple[OrderKey, ...]) -> Place:
    fields = fields_of(image)
    return (*(fields.get(key.field.name) for key in order), image.id)

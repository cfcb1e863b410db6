"""Changes of what is said of a collection, and numbers about it."""

from soutu.domain.collection import CollectionChanges, CollectionStatistics, Head
from soutu.domain.errors import invalid_field
from soutu.ports import Catalog

ATTRIBUTE_LIMIT = 64


class Alterations:
    """The stories of a collection's own fields."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def update(self, collection_id: str, changes: CollectionChanges, etag: str) -> Head:
        """Changes texts and adds attributes: COLLECTION_NOT_FOUND, ETAG_MISMATCH, FIELD_INVALID for another
        type of an attribute that is there, or for too many."""
        collection = (await self._catalog.head(collection_id)).collection
        if len({*collection.attributes, *changes.attributes}) > ATTRIBUTE_LIMIT:
            raise invalid_field("collection.attributes", f"must be at most {ATTRIBUTE_LIMIT} in all")
        await self._catalog.update_collection(collection.uid, changes, etag)
        return await self._catalog.head(collection_id)

    async def statistics(self, collection_id: str) -> CollectionStatistics:
        """Numbers about the collection's images: COLLECTION_NOT_FOUND."""
        return await self._catalog.statistics((await self._catalog.head(collection_id)).collection.uid)

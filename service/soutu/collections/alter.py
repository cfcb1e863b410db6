"""Changes of what is said of a collection, and numbers about it."""

from soutu.collections.relabel import Relabels
from soutu.domain.collection import CollectionChanges, CollectionStatistics, Head
from soutu.domain.errors import invalid_field
from soutu.ingest.labelling import Labelling
from soutu.operations.runner import OperationRunner
from soutu.ports import Catalog

ATTRIBUTE_LIMIT = 64


class Alterations:
    """The stories of a collection's own fields."""

    def __init__(
        self, catalog: Catalog, labelling: Labelling, relabels: Relabels, runner: OperationRunner
    ) -> None:
        self._catalog = catalog
        self._labelling = labelling
        self._relabels = relabels
        self._runner = runner

    async def update(self, collection_id: str, changes: CollectionChanges, etag: str) -> Head:
        """Changes texts and label sets and adds attributes: COLLECTION_NOT_FOUND, ETAG_MISMATCH,
        FIELD_INVALID for another type of an attribute that is there, or for too many; TEXT_UNSUPPORTED,
        FIELD_INVALID for label sets that the active model cannot choose from. Label sets that are given begin
        an operation that labels the images anew."""
        head = await self._catalog.head(collection_id)
        collection = head.collection
        if len({*collection.attributes, *changes.attributes}) > ATTRIBUTE_LIMIT:
            raise invalid_field("collection.attributes", f"must be at most {ATTRIBUTE_LIMIT} in all")
        await self._labelling.check(head.generation.model, changes.label_sets or ())
        await self._catalog.update_collection(collection.uid, changes, etag)
        changed = await self._catalog.head(collection_id)
        if changes.label_sets is not None and changed.collection.image_count:
            await self._relabels.begin(changed)
            self._runner.wake()
        return changed

    async def statistics(self, collection_id: str) -> CollectionStatistics:
        """Numbers about the collection's images: COLLECTION_NOT_FOUND."""
        return await self._catalog.statistics((await self._catalog.head(collection_id)).collection.uid)

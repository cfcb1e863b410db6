"""Collections: made, read, deleted."""

from collections.abc import Sequence

from soutu.domain.collection import CollectionDraft, Generation, Head
from soutu.domain.errors import Reason, SoutuError
from soutu.ingest.followers import Followers
from soutu.ingest.labelling import Labelling
from soutu.ports import Catalog, VectorIndex


class Collections:
    """The stories of collections' lives."""

    def __init__(
        self, catalog: Catalog, index: VectorIndex, followers: Followers, labelling: Labelling
    ) -> None:
        self._catalog = catalog
        self._index = index
        self._followers = followers
        self._labelling = labelling

    async def create(self, draft: CollectionDraft) -> Head:
        """Makes a collection whose first generation is ready when this returns; COLLECTION_EXISTS;
        TEXT_UNSUPPORTED, FIELD_INVALID for label sets that its model cannot choose from."""
        self._index.check(draft.index, draft.dimension)
        await self._labelling.check(draft.model, draft.label_sets)
        collection = await self._catalog.create_collection(draft)
        for generation in await self._catalog.generations(collection.uid):
            self._followers.add(generation)
            await self._followers.reached(generation, 0, 10.0)
        return await self._catalog.head(draft.id)

    async def get(self, collection_id: str) -> Head:
        """The collection with its active generation; COLLECTION_NOT_FOUND."""
        return await self._catalog.head(collection_id)

    async def list(self, after_id: str, limit: int) -> Sequence[Head]:
        """Collections with an id after `after_id`, by id."""
        found = await self._catalog.collections(after_id, limit)
        generations = {each.uid: each for each in await self._catalog.generations()}
        return [
            Head(each, generations[each.active_generation])
            for each in found
            if each.active_generation in generations
        ]

    async def delete(self, collection_id: str, *, force: bool, etag: str) -> None:
        """COLLECTION_NOT_EMPTY without `force`; ETAG_MISMATCH. Its name is free when this returns."""
        collection = (await self._catalog.head(collection_id)).collection
        if etag and etag != collection.etag:
            raise SoutuError(Reason.ETAG_MISMATCH)
        if collection.image_count and not force:
            raise SoutuError(
                Reason.COLLECTION_NOT_EMPTY,
                f"The collection holds {collection.image_count} images; set force to delete them too.",
            )
        generations = await self._catalog.generations(collection.uid)
        await self._catalog.delete_collection(collection.uid)
        for generation in generations:
            await self._followers.remove(generation.uid)

    async def generations(self, collection_id: str) -> tuple[Head, Sequence[Generation]]:
        """The generations of a collection, oldest first, and its head."""
        head = await self._catalog.head(collection_id)
        return head, await self._catalog.generations(head.collection.uid)

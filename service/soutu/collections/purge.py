"""Purging: images go from everywhere, as if they had never been here.

Deleting comes first and is in force at once. Then the bytes go, then what the catalogue still says of the
images, and last every index of the collection is made again, because an index that has forgotten a point may
keep its bytes. What was done is written down on the way, so that an interrupted purge goes on.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from soutu.collections.rebuild import Rebuilds
from soutu.domain.collection import GenerationState, Head
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.operation import Operation, OperationKind
from soutu.domain.writing import Checkpoint, Remove
from soutu.ingest.commits import Commits
from soutu.ingest.sweep import remove_objects
from soutu.operations.job import Job
from soutu.ports import Cache, Catalog, ObjectStore, VectorIndex


@dataclass(frozen=True, slots=True)
class _Done:
    """What a purge has done so far; as text it is the operation's cursor. `paths` are those that the images'
    files had, known only until they are forgotten, too; `indexes` are the generations (uids) whose index is
    from before that."""

    images: int = 0
    contents: int = 0
    paths: tuple[str, ...] = ()
    indexes: tuple[int, ...] = ()
    forgotten: bool = False

    def text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def parsed(cls, cursor: str) -> "_Done":
        table = json.loads(cursor) if cursor else {}
        paths, indexes = tuple(table.pop("paths", ())), tuple(table.pop("indexes", ()))
        return cls(paths=paths, indexes=indexes, **table)


class Purges:
    """The purge story; also the work of its operation. It holds `removals` while it removes contents."""

    def __init__(
        self,
        catalog: Catalog,
        objects: ObjectStore,
        cache: Cache,
        commits: Commits,
        index: VectorIndex,
        rebuilds: Rebuilds,
        removals: asyncio.Lock,
    ) -> None:
        self._catalog = catalog
        self._objects = objects
        self._cache = cache
        self._commits = commits
        self._index = index
        self._rebuilds = rebuilds
        self._removals = removals

    async def begin(self, collection_id: str, ids: Sequence[str]) -> Operation:
        """Begins to purge images, also ones that were deleted before; COLLECTION_BUSY while a generation is
        being built."""
        head = await self._catalog.head(collection_id)
        await self._refuse_building(head)
        return await self._catalog.create_operation(
            OperationKind.PURGE, head.collection.uid, collection_id, {"ids": list(dict.fromkeys(ids))}
        )

    async def run(self, job: Job) -> Mapping[str, object]:
        """The work of a purge operation."""
        head = await self._catalog.head(job.operation.collection_id)
        if head.collection.uid != job.operation.collection_uid:
            raise SoutuError(Reason.COLLECTION_NOT_FOUND)
        await self._refuse_building(head)
        done = _Done.parsed(job.operation.cursor)
        async with self._rebuilds.turn:
            if not done.forgotten:
                async with self._removals:
                    done = await self._forget(job, head, _ids(job.operation))
            await self._cache.clear()
            await self._renew_indexes(job, head, done)
        await self._catalog.cut_log()
        await self._cache.clear()  # of what calls that were under way had put there
        return {"image_count": done.images, "content_count": done.contents}

    async def give_up(self, operation: Operation) -> None:
        """What is gone stays gone; asking again goes on."""

    async def _forget(self, job: Job, head: Head, ids: Sequence[str]) -> _Done:
        await self._rebuilds.drop_unfinished(head.collection.uid)
        done = await self._delete(job, head, ids)
        await self._refuse_building(head)  # one that was begun just before the deletion may hold the images
        images, contents = await self._catalog.bar_deleted(head.collection.uid, ids)
        for sha256 in contents:
            await remove_objects(self._objects, sha256)
        await self._catalog.forget_contents(contents)
        generations = await self._catalog.generations(head.collection.uid)
        indexes = tuple(each.uid for each in generations if each.state is GenerationState.READY)
        forgotten = _Done(images, len(contents), indexes=indexes, forgotten=True)
        checkpoint = _checkpoint(job, forgotten)
        await self._catalog.forget_deleted(head.collection.uid, ids, done.paths, checkpoint)
        return forgotten

    async def _delete(self, job: Job, head: Head, ids: Sequence[str]) -> _Done:
        """Deletes those that are there; with it is written down which paths they had."""
        uid = head.collection.uid
        known = await self._catalog.images(uid, list((await self._catalog.image_ids(uid, ids)).values()))
        origins = {image.origin.path for image in known.values() if image.origin}
        originals = {image.original.path for image in known.values() if image.original.path}
        before = _Done.parsed(job.operation.cursor).paths
        done = _Done(paths=tuple(sorted({*origins, *originals, *before})))
        removals = [Remove(image_id, allow_missing=True) for image_id in ids]
        await self._commits.commit(head, removals, checkpoint=_checkpoint(job, done))
        return done

    async def _renew_indexes(self, job: Job, head: Head, done: _Done) -> None:
        for generation in await self._catalog.generations(head.collection.uid):
            if generation.uid in done.indexes:
                await self._rebuilds.renew(job, replace(head, generation=generation))
        for uid in done.indexes:
            await self._index.drop(uid)

    async def _refuse_building(self, head: Head) -> None:
        for generation in await self._catalog.generations(head.collection.uid):
            if generation.state is GenerationState.BUILDING and not self._rebuilds.owns(generation):
                raise SoutuError(
                    Reason.COLLECTION_BUSY,
                    f"The generation {generation.id} is being built; purge when it is done.",
                )


def _ids(operation: Operation) -> Sequence[str]:
    ids = operation.request["ids"]
    assert isinstance(ids, list)
    return [str(each) for each in ids]


def _checkpoint(job: Job, done: _Done) -> Checkpoint:
    return Checkpoint(job.operation.uid, done.text(), done.images, 0, owner=job.owner)

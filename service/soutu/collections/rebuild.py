"""Rebuilding: a generation's index is made again beside the old one, which serves until both are the same.

The new index belongs to a generation of its own, which takes the old one's place in one transaction once it
has caught up. So no search fails meanwhile, an interruption loses nothing but time, and nothing of the old
index's files is left afterwards.
"""

import asyncio
from collections.abc import Mapping

from soutu.collections.catching_up import caught_up
from soutu.collections.generations import HOLD_S
from soutu.domain.collection import Generation, GenerationState, Head
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.operation import Operation, OperationKind
from soutu.ingest.commits import Commits
from soutu.ingest.followers import Followers
from soutu.operations.job import Job
from soutu.ports import Catalog, VectorIndex

_TRIES = 20
_COMMITS = 4
_LINGER_S = 2.0  # for searches that began in the old index
_MARK = "~rebuilt"  # at the end of a new generation's id, until it takes the old one's place


class Rebuilds:
    """The rebuild story; also the work of its operation. `turn` is held while indexes are made again."""

    def __init__(self, catalog: Catalog, index: VectorIndex, followers: Followers, commits: Commits) -> None:
        self._catalog = catalog
        self._index = index
        self._followers = followers
        self._commits = commits
        self.turn = asyncio.Lock()

    async def begin(self, collection_id: str, generation_id: str) -> Operation:
        """Begins to make an index again: GENERATION_NOT_FOUND, GENERATION_UNREADY while it is being built."""
        head = await self._catalog.head(collection_id, generation_id)
        _check_ready(head.generation)
        return await self._catalog.create_operation(
            OperationKind.REBUILD,
            head.collection.uid,
            collection_id,
            {"generation": head.generation.id, "uid": head.generation.uid},
        )

    async def run(self, job: Job) -> Mapping[str, object]:
        """The work of a rebuild operation."""
        request = job.operation.request
        async with self.turn:
            head = await self._catalog.head(job.operation.collection_id, str(request["generation"]))
            if head.collection.uid != job.operation.collection_uid:
                raise SoutuError(Reason.COLLECTION_NOT_FOUND)
            if head.generation.uid == request["uid"]:  # else an earlier run got that far
                head = await self.renew(job, head)
            await self._index.drop(int(str(request["uid"])))
        return {"image_count": await self._index.count(head.generation.uid)}

    async def give_up(self, operation: Operation) -> None:
        """Drops what was half made; the old index stays."""
        await self.drop_unfinished(operation.collection_uid)

    async def drop_unfinished(self, collection_uid: int) -> None:
        """Drops the indexes that an earlier rebuild has left half made."""
        for generation in await self._catalog.generations(collection_uid):
            if self.owns(generation):
                await self._followers.remove(generation.uid)
                await self._catalog.delete_generation(generation)

    def owns(self, generation: Generation) -> bool:
        """Whether the generation is one that a rebuild makes, to take another's place."""
        return generation.id.endswith(_MARK)

    async def renew(self, job: Job, head: Head) -> Head:
        """Makes the index of `head.generation` again and drops the old one, of which nothing is left."""
        old = head.generation
        new = await self._catalog.create_replacement(old, f"{old.id}{_MARK}")
        self._followers.add(new)
        for _ in range(_TRIES):
            await caught_up(job, self._catalog, self._followers, head.collection.id, new)
            if await self._swapped(head, new):
                await asyncio.sleep(_LINGER_S)
                await self._followers.remove(old.uid)
                return await self._catalog.head(head.collection.id, old.id)
        raise SoutuError(Reason.PUBLISH_LATE)

    async def _swapped(self, head: Head, new: Generation) -> bool:
        async def has_followed(revision: int) -> bool:
            return await self._followers.reached(new, revision, HOLD_S / _COMMITS)

        async with self._commits.hold(head.collection.uid):
            for _ in range(_COMMITS):  # again if a commit was still under way
                if await self._catalog.replace_generation(head.generation, new, has_followed):
                    return True
            return False


def _check_ready(generation: Generation) -> None:
    if generation.state is not GenerationState.READY:
        raise SoutuError(Reason.GENERATION_UNREADY)

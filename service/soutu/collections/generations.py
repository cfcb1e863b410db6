"""Generations: another index built beside the one that serves, published, rolled back, deleted."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from soutu.collections.catching_up import NEARLY, caught_up
from soutu.collections.soundness import sampled_recall
from soutu.domain.collection import Generation, GenerationDraft, GenerationState, Head, IndexType
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.operation import Operation
from soutu.domain.revision import revision_text
from soutu.ingest.build import failed_subjects
from soutu.ingest.commits import Commits
from soutu.ingest.followers import Followers
from soutu.operations.job import Job
from soutu.operations.runner import OperationRunner
from soutu.ports import Catalog, Clock, VectorIndex

HOLD_S = 2.0
_TRIES = 20
_LEAST_RECALL = 0.9
_SAMPLES = 3  # deletions while a sample is taken lower what it finds


class Generations:
    """The stories of generations; also the work of the operation that builds one.

    The follower does the building: it takes over every row from revision 0 on, embeds what has no embedding
    under the model yet, and goes on following what changes. So a build resumes by itself, and uploads and
    deletes made meanwhile are in both generations.
    """

    def __init__(
        self,
        catalog: Catalog,
        index: VectorIndex,
        followers: Followers,
        commits: Commits,
        clock: Clock,
    ) -> None:
        self._catalog = catalog
        self._index = index
        self._followers = followers
        self._commits = commits
        self._clock = clock

    async def create(
        self, collection_id: str, draft: GenerationDraft, *, publish: bool, runner: OperationRunner
    ) -> Operation:
        """Begins to build a generation, which is BUILDING until it is sound: GENERATION_EXISTS."""
        self._index.check(draft.index, draft.dimension)
        head = await self._catalog.head(collection_id)
        operation = await self._catalog.create_generation(head.collection.uid, draft, publish=publish)
        runner.wake()
        return operation

    async def run(self, job: Job) -> Mapping[str, object]:
        """The work of a generation operation."""
        generation = await self._own(job.operation)
        self._followers.add(generation)
        followed = await self._caught_up(job, generation)
        failed = len(await failed_subjects(self._catalog, job.operation.uid))
        job.progress = replace(job.progress, failed=failed)
        await self._prove(job, generation, followed)
        await self._catalog.set_generation_state(generation.uid, GenerationState.READY)
        if job.operation.request["publish"]:
            await self.publish(job.operation.collection_id, generation.id)
        head = await self._catalog.head(job.operation.collection_id, generation.id)
        return _result(head, self._followers.followed(generation))

    async def give_up(self, operation: Operation) -> None:
        """Drops the index of a generation that was not finished, or was deleted while it was built. A crash
        on the way leaves it to be built, or given up, again."""
        uid = int(str(operation.request["uid"]))
        generations = await self._catalog.generations(operation.collection_uid)
        state = next((each.state for each in generations if each.uid == uid), None)
        if state is GenerationState.READY:
            return
        await self._followers.remove(uid)
        if state is GenerationState.BUILDING:
            await self._catalog.set_generation_state(uid, GenerationState.FAILED)

    async def publish(self, collection_id: str, generation_id: str) -> Head:
        """Makes a READY generation the active one: GENERATION_UNREADY, PUBLISH_LATE.

        When it has nearly caught up, commits of the collection are held, for two seconds at the most, while
        it follows the rest and the switch is made.
        """
        for _ in range(_TRIES):
            head = await self._catalog.head(collection_id, generation_id)
            if head.generation.state is not GenerationState.READY:
                raise SoutuError(Reason.GENERATION_UNREADY)
            nearly = head.collection.revision - NEARLY
            if await self._followers.reached(head.generation, nearly, HOLD_S) and await self._switched(head):
                return await self._catalog.head(collection_id)
        raise SoutuError(Reason.PUBLISH_LATE)

    async def roll_back(self, collection_id: str) -> Head:
        """Publishes the generation that was active before: GENERATION_UNREADY where there is none."""
        head = await self._catalog.head(collection_id)
        formerly = [
            each
            for each in await self._catalog.generations(head.collection.uid)
            if each.publish_time and each.uid != head.generation.uid and each.state is GenerationState.READY
        ]
        if not formerly:
            raise SoutuError(Reason.GENERATION_UNREADY, "The collection has had no other active generation.")
        before = max(formerly, key=lambda each: each.publish_time or each.create_time)
        return await self.publish(collection_id, before.id)

    async def delete(self, collection_id: str, generation_id: str) -> None:
        """GENERATION_ACTIVE."""
        head = await self._catalog.head(collection_id, generation_id)
        await self._catalog.delete_generation(head.generation)
        await self._followers.remove(head.generation.uid)

    async def _own(self, operation: Operation) -> Generation:
        """The operation's generation; GENERATION_NOT_FOUND, also where another has its name by now."""
        head = await self._catalog.head(operation.collection_id, str(operation.request["generation"]))
        if head.generation.uid != operation.request["uid"]:
            raise SoutuError(Reason.GENERATION_NOT_FOUND)
        return head.generation

    async def _caught_up(self, job: Job, generation: Generation) -> int:
        collection_id = job.operation.collection_id
        return await caught_up(job, self._catalog, self._followers, collection_id, generation)

    async def _prove(self, job: Job, generation: Generation, followed: int) -> None:
        """GENERATION_UNSOUND if the index, which has everything up to a revision, finds too few of the true
        nearest images, each time it is asked."""
        for _ in range(_SAMPLES):
            if await sampled_recall(self._catalog, self._index, generation, followed) >= _LEAST_RECALL:
                return
            followed = await self._caught_up(job, generation)
        raise SoutuError(Reason.GENERATION_UNSOUND)

    async def _switched(self, head: Head) -> bool:
        end = self._clock.monotonic() + HOLD_S

        async def has_followed(revision: int) -> bool:
            left_s = max(end - self._clock.monotonic(), 0.0)
            return await self._followers.reached(head.generation, revision, left_s)

        async with self._commits.hold(head.collection.uid):
            while self._clock.monotonic() < end:  # again if a commit was still under way
                if await self._catalog.publish_generation(head.generation, has_followed):
                    return True
            return False


def _result(head: Head, followed: int) -> Mapping[str, object]:
    """The generation as the contract's Generation has it."""
    collection, generation = head.collection, head.generation
    kind = "UNSPECIFIED" if generation.index.type is IndexType.AUTO else generation.index.type.name
    return {
        "name": f"collections/{collection.id}/generations/{generation.id}",
        "uid": str(generation.uid),
        "model": f"models/{generation.model}",
        "index": {
            "type": f"INDEX_TYPE_{kind}",
            "parameters": dict(generation.index.parameters),
            "candidates": generation.index.candidates,
        },
        "state": f"STATE_{generation.state.name}",
        "active": collection.active_generation == generation.uid,
        "followed_revision": revision_text(collection.uid, followed),
        "pending_changes": max(collection.revision - followed, 0),
        "image_count": collection.image_count,
        "create_time": _time(generation.create_time),
        "publish_time": _time(generation.publish_time) if generation.publish_time else None,
    }


def _time(moment: datetime) -> Mapping[str, int]:
    """As google.protobuf.Timestamp has it."""
    return {"seconds": int(moment.timestamp()), "nanos": 1_000 * moment.microsecond}

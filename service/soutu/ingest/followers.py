"""The followers of all generations: the `Following` port, and their beginning and end."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from soutu.domain.collection import Generation, GenerationState
from soutu.domain.errors import Reason, SoutuError
from soutu.ingest.follow import Follower
from soutu.observe.logs import logger
from soutu.ports import Catalog, VectorIndex

_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class _Running:
    follower: Follower
    task: asyncio.Task[None]


class Followers:
    """One follower per generation."""

    def __init__(
        self, catalog: Catalog, index: VectorIndex, make_follower: Callable[[Generation], Follower]
    ) -> None:
        self._catalog = catalog
        self._index = index
        self._make_follower = make_follower
        self._running: dict[int, _Running] = {}

    async def start(self) -> None:
        """Begins to follow every generation that the catalogue knows, but those that failed. What is kept of
        any other, because a process ended while it dropped it, is dropped."""
        generations = await self._catalog.generations()
        living = {each.uid: each for each in generations if each.state is not GenerationState.FAILED}
        for uid in await self._index.kept():
            if uid not in living:
                await self._index.drop(uid)
        for generation in living.values():
            self.add(generation)

    def add(self, generation: Generation) -> None:
        """Begins to follow one more generation."""
        if generation.uid in self._running:
            return
        follower = self._make_follower(generation)
        task = asyncio.create_task(follower.run())
        task.add_done_callback(_ended)
        self._running[generation.uid] = _Running(follower, task)

    async def remove(self, generation_uid: int) -> None:
        """Ends following a generation, if it is followed, and drops its index."""
        if running := self._running.pop(generation_uid, None):
            await _stop(running)
        await self._index.drop(generation_uid)

    async def close(self) -> None:
        """Ends following; what was followed is written down."""
        running = list(self._running.values())
        self._running.clear()
        await asyncio.gather(*(_stop(each) for each in running))
        await asyncio.gather(*(each.follower.close() for each in running), return_exceptions=True)

    def wake(self, collection_uid: int) -> None:
        """Says that a collection has changed."""
        for running in self._running.values():
            if running.follower.generation.collection_uid == collection_uid:
                running.follower.wake()

    def check_ready(self, generation: Generation) -> None:
        """INDEX_UNREADY while the generation's index is being loaded or made again."""
        running = self._running.get(generation.uid)
        if not running or not running.follower.ready:
            raise SoutuError(Reason.INDEX_UNREADY)

    def followed(self, generation: Generation) -> int:
        """The revision up to which everything is in the index; 0 for one that is not followed."""
        running = self._running.get(generation.uid)
        return running.follower.followed if running else 0

    async def reached(self, generation: Generation, revision: int, timeout_s: float) -> bool:
        """Waits until searches show everything up to `revision`; false when the time was too short."""
        running = self._running.get(generation.uid)
        if not running:
            return False
        if running.follower.ready and running.follower.followed >= revision:
            return True
        try:
            async with asyncio.timeout(timeout_s):
                await running.follower.reached(revision)
        except TimeoutError:
            return False
        return True

    def suspect(self, generation: Generation, uids: Sequence[int]) -> None:
        """Has these points compared with the catalogue again."""
        if running := self._running.get(generation.uid):
            running.follower.suspect(uids)


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        _log.error("a follower broke; its index stays behind until the next start", exc_info=error)


async def _stop(running: _Running) -> None:
    running.task.cancel()
    await asyncio.gather(running.task, return_exceptions=True)

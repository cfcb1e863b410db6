"""The followers of all generations: the `Following` port, and their beginning and end."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from soutu.domain.collection import Generation, GenerationState
from soutu.domain.errors import Reason, SoutuError
from soutu.ingest.follow import Follower
from soutu.observe.logs import logger
from soutu.ports import Catalog, VectorIndex

_TIDY_S = 5.0
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
        self._tidying: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to follow every generation that the catalogue knows, but those that failed. What is kept of
        any other, because a process ended while it dropped it, is dropped, as soon as the index answers."""
        for generation in await self._living():
            self.add(generation)
        await self._tidy()

    def add(self, generation: Generation) -> None:
        """Begins to follow one more generation."""
        if generation.uid in self._running:
            return
        follower = self._make_follower(generation)
        task = asyncio.create_task(follower.run())
        task.add_done_callback(_ended)
        self._running[generation.uid] = _Running(follower, task)

    async def remove(self, generation_uid: int) -> None:
        """Ends following a generation, if it is followed, and drops its index; where that does not answer
        just now, once it does."""
        if running := self._running.pop(generation_uid, None):
            await _stop(running)
        try:
            await self._index.drop(generation_uid)
        except SoutuError as error:
            _log.warning("an index is dropped later", generation=generation_uid, reason=error.reason.name)
            self._tidy_later()

    async def close(self) -> None:
        """Ends following; what was followed is written down."""
        if self._tidying:
            self._tidying.cancel()
            await asyncio.gather(self._tidying, return_exceptions=True)
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

    def check_built(self, generation: Generation) -> None:
        """The error that the last build of the generation's search structures ended with, if it did."""
        running = self._running.get(generation.uid)
        if running and running.follower.unbuilt:
            raise running.follower.unbuilt

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

    async def _living(self) -> list[Generation]:
        generations = await self._catalog.generations()
        return [each for each in generations if each.state is not GenerationState.FAILED]

    async def _tidy(self) -> None:
        try:
            await self._drop_what_is_left()
        except SoutuError as error:
            _log.warning("what is left of indexes is looked for later", reason=error.reason.name)
            self._tidy_later()

    async def _drop_what_is_left(self) -> None:
        kept = await self._index.kept()  # before the catalogue is asked: what is made meanwhile is not there
        living = {each.uid for each in await self._living()}
        for uid in kept:
            if uid not in living:
                await self._index.drop(uid)

    def _tidy_later(self) -> None:
        if self._tidying is None or self._tidying.done():
            self._tidying = asyncio.create_task(self._tidied())
            self._tidying.add_done_callback(_ended)

    async def _tidied(self) -> None:
        while True:
            await asyncio.sleep(_TIDY_S)
            with contextlib.suppress(SoutuError):
                return await self._drop_what_is_left()


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        _log.error("a follower broke; its index stays behind until the next start", exc_info=error)


async def _stop(running: _Running) -> None:
    running.task.cancel()
    await asyncio.gather(running.task, return_exceptions=True)

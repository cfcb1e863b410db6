"""Followers where several processes serve one catalogue and one index: each generation is followed by one.

All processes look at the catalogue a few times a second, in one read: who leads, how far each index is, which
generations there are. Whoever finds a generation that nobody leads takes the lead.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from soutu.domain.collection import Generation, GenerationState
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.lead import Lead, Standing
from soutu.ingest.follow import Follower
from soutu.ingest.followers import Followers
from soutu.ingest.leading import Held, Leading
from soutu.observe.logs import logger
from soutu.ports import Catalog, Clock, VectorIndex

_RETRY_S = 1.0
_SUSPECT_S = 30.0  # between comparisons that searches of this process ask for
_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Lease:
    """`owner` names this process among all others. A lease ends `lease_s` after it was last extended; it is
    extended every `beat_s`. The catalogue is looked at every `look_s`, and every `wait_s` while a caller
    waits for the index."""

    owner: str
    lease_s: float = 10.0
    beat_s: float = 2.0
    look_s: float = 0.1
    wait_s: float = 0.02


class SharedFollowers(Followers):
    """Followers of which each runs in one of several processes; the others know how far it is.

    `forget` is called when a generation has gone, as those of its collection do by a purge in any process:
    what this process alone remembers is to be forgotten.
    """

    def __init__(
        self,
        catalog: Catalog,
        index: VectorIndex,
        make_follower: Callable[[Generation, Leading], Follower],
        clock: Clock,
        lease: Lease,
        forget: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(catalog, index, lambda each: make_follower(each, self._held[each.uid]))
        self._clock = clock
        self._lease = lease
        self._forget = forget
        self._held: dict[int, Held] = {}
        self._compared: dict[int, int] = {}
        self._known: dict[int, Standing] = {}
        self._opened: set[int] = set()
        self._suspected: dict[int, float] = {}
        self._beat_at_s = 0.0
        self._waiting = 0
        self._nudge = asyncio.Event()
        self._looked = asyncio.Condition()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Looks at what there is, and goes on looking."""
        await super().start()
        self._begin("look", self._watch())

    def add(self, generation: Generation) -> None:
        """Has somebody follow one more generation: this process, if no other is quicker."""
        self._nudge.set()

    async def remove(self, generation_uid: int) -> None:
        """Ends following it here and drops its index; another process that leads ends at its next look."""
        self._held.pop(generation_uid, None)
        self._opened.discard(generation_uid)
        await super().remove(generation_uid)

    async def close(self) -> None:
        """Ends following and lets go of what is led, so that others take over at once."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(_idle(held, self._lease.lease_s) for held in self._held.values()))
        await super().close()
        await asyncio.gather(*(self._leave(held) for held in self._held.values()), return_exceptions=True)

    def check_ready(self, generation: Generation) -> None:
        """INDEX_UNREADY unless the index may be searched, whoever follows it."""
        if generation.uid not in self._opened or self._lead(generation) is None:
            raise SoutuError(Reason.INDEX_UNREADY)

    def followed(self, generation: Generation) -> int:
        """The revision up to which everything is in the index, as it was a moment ago."""
        lead, here = self._lead(generation), super().followed(generation)
        return max(here, lead.followed) if lead else here

    async def reached(self, generation: Generation, revision: int, timeout_s: float) -> bool:
        """Waits until searches of this process show everything up to `revision`."""
        if generation.uid in self._running and generation.uid in self._opened:
            return await super().reached(generation, revision, timeout_s)
        self._waiting += 1
        self._nudge.set()
        try:
            async with asyncio.timeout(timeout_s), self._looked:
                await self._looked.wait_for(lambda: self._shows(generation, revision))
        except TimeoutError:
            return False
        finally:
            self._waiting -= 1
        return True

    def suspect(self, generation: Generation, uids: Sequence[int]) -> None:
        """Has these points compared again, or, where another process follows, the whole index."""
        if generation.uid in self._running:
            return super().suspect(generation, uids)
        now = self._clock.monotonic()
        if now >= self._suspected.get(generation.uid, now):
            self._suspected[generation.uid] = now + _SUSPECT_S
            self._begin(f"suspect {generation.uid}", self._catalog.ask_comparison(generation.uid))
        return None

    def _shows(self, generation: Generation, revision: int) -> bool:
        ready = generation.uid in self._opened and self._lead(generation) is not None
        return ready and self.followed(generation) >= revision

    def _lead(self, generation: Generation) -> Lead | None:
        """The lead of an index that may be searched."""
        standing = self._known.get(generation.uid)
        return standing.lead if standing and standing.lead and standing.lead.ready else None

    async def _watch(self) -> None:
        while True:
            try:
                await self._look()
            except SoutuError as error:
                _log.warning("leads are not known", reason=error.reason.name)
            except Exception as error:  # noqa: BLE001 (nobody else would go on with it)
                _log.error("looking at leads broke", exc_info=error)
            self._nudge.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._lease.wait_s if self._waiting else self._lease.look_s):
                    await self._nudge.wait()

    async def _look(self) -> None:
        asked_at_s = self._clock.monotonic()
        extended = bool(self._held) and asked_at_s >= self._beat_at_s
        if extended:
            self._beat_at_s = asked_at_s + self._lease.beat_s
            await self._catalog.keep_leads(self._lease.owner, self._lease.lease_s)
        standings = await self._catalog.standings()
        living = [each for each in standings if each.generation.state is not GenerationState.FAILED]
        for standing in living:
            await self._consider(standing, asked_at_s if extended else None)
        await self._forget_all_but({each.generation.uid for each in living})
        async with self._looked:
            self._known = {each.generation.uid: each for each in living}
            self._looked.notify_all()

    async def _consider(self, standing: Standing, extended_at_s: float | None) -> None:
        uid, lead = standing.generation.uid, standing.lead
        held = self._held.get(uid)
        if held is not None:
            if lead is None or (lead.owner, lead.term) != (self._lease.owner, held.term):
                self._retire(uid, held)
                return
            if extended_at_s is not None:
                held.kept(extended_at_s)
            self._go_on(standing, lead)
        elif self._free(lead):
            await self._take(standing.generation)
        if lead is not None and lead.ready and uid not in self._opened:
            self._make_searchable(standing)

    def _go_on(self, standing: Standing, lead: Lead) -> None:
        """Tells our own follower what others did."""
        running = self._running.get(standing.generation.uid)
        if running is None:
            return
        if running.follower.followed < standing.revision:
            running.follower.wake()
        if lead.comparisons != self._compared.get(lead.generation_uid):
            self._compared[lead.generation_uid] = lead.comparisons
            running.follower.compare()

    def _free(self, lead: Lead | None) -> bool:
        return lead is None or not lead.owner or lead.until < self._clock.now()

    async def _take(self, generation: Generation) -> None:
        asked_at_s = self._clock.monotonic()
        lead = await self._catalog.take_lead(generation.uid, self._lease.owner, self._lease.lease_s)
        if lead is None:
            return
        self._held[generation.uid] = Held(self._catalog, self._clock, lead, self._lease.lease_s, asked_at_s)
        self._compared[generation.uid] = lead.comparisons
        _log.info("follows", generation=generation.uid, term=lead.term, clean=lead.clean)
        super().add(generation)
        if not lead.clean:
            self._running[generation.uid].follower.compare()

    def _retire(self, uid: int, held: Held) -> None:
        """Another process leads. A write that is under way ends first; then the follower finds out, or is
        stopped where it rests."""
        held.doubt()
        if f"retire {uid}" not in self._tasks:
            self._begin(f"retire {uid}", self._retired(uid, held))

    async def _retired(self, uid: int, held: Held) -> None:
        await _idle(held, self._lease.lease_s)
        if running := self._running.pop(uid, None):
            running.task.cancel()
            await asyncio.gather(running.task, return_exceptions=True)
        await held.settle()
        if self._held.get(uid) is held:
            del self._held[uid]

    async def _forget_all_but(self, living: set[int]) -> None:
        for uid in set(self._held) - living:
            await self.remove(uid)
        self._opened &= living
        if self._known.keys() - living:
            await self._forget()

    def _make_searchable(self, standing: Standing) -> None:
        uid = standing.generation.uid
        if running := self._running.get(uid):
            if running.follower.ready:
                self._opened.add(uid)
        else:
            self._begin(f"open {uid}", self._open(standing))

    async def _open(self, standing: Standing) -> None:
        """Opens for searching what another process fills. An index that should hold something and does not
        was lost a moment ago: whoever leads is about to find out."""
        generation = standing.generation
        try:
            kept = await self._index.open(generation.uid, generation.dimension, generation.index)
        except SoutuError:
            await asyncio.sleep(_RETRY_S)  # not at each look
            raise
        if kept or not standing.image_count:
            self._opened.add(generation.uid)

    async def _leave(self, held: Held) -> None:
        await held.settle()
        if held.lead:
            await self._catalog.leave_lead(held.lead)

    def _begin(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Does something beside looking; once at a time for each name."""
        if name in self._tasks:
            work.close()
            return
        task = self._tasks[name] = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task.get_name(), None)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, SoutuError):
            _log.warning("will be tried again", work=task.get_name(), reason=error.reason.name)
        elif error:
            _log.error("work beside looking at leads broke", work=task.get_name(), exc_info=error)


async def _idle(held: Held, patience_s: float) -> None:
    """Waits until no write is under way, for a while."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(patience_s):
            await held.rests.wait()

"""Following: the index takes over, row by row, what the catalogue has committed.

A follower reads the rows whose revision is beyond what it has followed and writes each as it is at that
moment, so a change may be applied twice or late but never wrongly. It alone writes to its generation's index,
for as long as it leads (leading.py).
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from soutu.domain.collection import Generation
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.fields import fields_of
from soutu.domain.lead import LeadLostError
from soutu.domain.query import Point
from soutu.domain.writing import Change, Failure
from soutu.ingest.completion import Completion
from soutu.ingest.leading import ALONE, Leading
from soutu.ingest.scan import mismatches
from soutu.observe.logs import logger
from soutu.ports import Catalog, Clock, VectorIndex

_SHARD = 512
_RETRY_S = 1.0
_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How a follower spreads its work: `poll_s` between looks at a quiet catalogue, `persist_s` between
    flushes, `optimize_after` points written before the index is optimised, or any, once nothing has been
    written for `settle_s`; `scan_s` between comparisons of the whole index with the catalogue."""

    poll_s: float = 5.0
    persist_s: float = 10.0
    optimize_after: int = 5_000
    settle_s: float = 30.0
    scan_s: float = 600.0


class Follower:
    """Keeps the index of one generation equal to the catalogue."""

    def __init__(
        self,
        generation: Generation,
        catalog: Catalog,
        index: VectorIndex,
        completion: Completion,
        clock: Clock,
        pace: Pace,
        leading: Leading = ALONE,
    ) -> None:
        self.generation = generation
        self.leading = leading
        self.followed = 0
        self.ready = False
        self.unbuilt: SoutuError | None = None
        self._catalog = catalog
        self._index = index
        self._completion = completion
        self._clock = clock
        self._pace = pace
        self._wake = asyncio.Event()
        self._moved = asyncio.Condition()
        self._suspects: set[int] = set()
        self._persisted = 0
        self._persist_at = 0.0
        self._scan_at = clock.monotonic() + pace.scan_s
        self._unoptimized = 0
        self._settled_at = 0.0
        self._optimizing: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Says that the catalogue has changed."""
        self._wake.set()

    def compare(self) -> None:
        """Has the whole index compared with the catalogue."""
        self._scan_at = self._clock.monotonic()
        self._wake.set()

    def suspect(self, uids: Sequence[int]) -> None:
        """Has these points compared with the catalogue again."""
        self._suspects.update(uids)
        self._wake.set()

    async def reached(self, revision: int) -> None:
        """Returns once everything up to `revision` is in the index."""
        async with self._moved:
            await self._moved.wait_for(lambda: self.ready and self.followed >= revision)

    async def run(self) -> None:
        """Follows until cancelled, or until it no longer leads; faults of the catalogue or the index are
        waited out, and an index that was lost meanwhile is opened anew."""
        while True:
            try:
                await self._open()
                while True:
                    await self._step()
            except LeadLostError:
                _log.warning("another process follows", generation=self.generation.uid)
                return
            except SoutuError as error:
                _log.warning("following waits", generation=self.generation.uid, reason=error.reason.name)
                self.ready = self.ready and error.reason is not Reason.INDEX_UNREADY
            except Exception as error:  # noqa: BLE001 (nobody else would go on with it)
                _log.error("following broke", generation=self.generation.uid, exc_info=error)
            await asyncio.sleep(_RETRY_S)

    async def close(self) -> None:
        """Gives up optimising and writes down how far it came. `run` must have ended."""
        if self._optimizing:
            self._optimizing.cancel()
            await asyncio.gather(self._optimizing, return_exceptions=True)
        if self.ready:
            await self._persist(self.followed)

    async def _open(self) -> None:
        if self.ready:
            return
        spec = self.generation.index
        kept = await self._index.open(self.generation.uid, self.generation.dimension, spec)
        self.followed = self._persisted = self.generation.followed if kept else 0
        if not kept:
            await self.leading.begin_anew()
        if not kept and self.generation.followed:
            _log.warning("the index was lost; it is made again", generation=self.generation.uid)
            await self._record(0)
        while await self._take_over() == _SHARD:  # fewer: it has caught up, though writes may never rest
            await self._persist_when_due()
        await self._advance(self.followed, ready=True)
        self._begin_optimizing()

    async def _step(self) -> None:
        self._wake.clear()
        taken = await self._take_over()
        if taken == _SHARD:
            await self._persist_when_due()
            return
        cleared = await self._clear_suspects()
        await self._keep_house()  # also where writes never rest
        if taken or cleared:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._pause_s()):  # wait_for of 3.11 may swallow a cancellation
                await self._wake.wait()

    async def _take_over(self) -> int:
        """Takes over the next changes, up to `_SHARD` of them, and answers how many."""
        generation = self.generation
        changes = await self._catalog.changes(
            generation.collection_uid, generation.model, self.followed, _SHARD
        )
        if not changes:
            return 0
        revision = changes[-1].revision
        if failures := await self._apply(changes):
            await self._persist(revision, failures)
        await self._advance(revision, ready=self.ready)
        return len(changes)

    async def _apply(self, changes: Sequence[Change]) -> Sequence[Failure]:
        """Writes the changes. An image that cannot be embedded stays out; answers which, and why."""
        complete, failures = await self._completed(changes)
        points = [_point(change) for change in complete if change.vector is not None]
        gone = [change.uid for change in complete if change.vector is None]
        async with self.leading.writing():
            await self._index.write(self.generation.uid, points, gone)
        self._unoptimized += len(changes)
        self._settled_at = self._clock.monotonic() + self._pace.settle_s
        return failures

    async def _completed(self, changes: Sequence[Change]) -> tuple[Sequence[Change], Sequence[Failure]]:
        missing = [change.image for change in changes if change.image and change.vector is None]
        if not missing:
            return changes, ()
        vectors, failures = await self._completion.complete(self.generation.model, missing)
        complete = [
            replace(change, vector=vectors.get(change.image.content.sha256))
            if change.image and change.vector is None
            else change
            for change in changes
        ]
        return complete, failures

    async def _advance(self, revision: int, *, ready: bool) -> None:
        await self.leading.tell(revision, ready=ready)
        async with self._moved:
            self.followed, self.ready = revision, ready
            self._moved.notify_all()

    async def _clear_suspects(self) -> bool:
        uids = sorted(self._suspects)[:_SHARD]
        if not uids:
            return False
        generation = self.generation
        rows = await self._catalog.rows(generation.collection_uid, generation.model, uids)
        await self._apply(rows)
        await self.leading.tell(self.followed, ready=self.ready)
        self._suspects.difference_update(uids)
        return True

    async def _keep_house(self) -> None:
        await self._persist_when_due()
        now = self._clock.monotonic()
        enough = self._pace.optimize_after if now < self._settled_at else 1
        if self._unoptimized >= enough and not self._optimizing:
            self._begin_optimizing()
        if now >= self._scan_at:
            self._scan_at = now + self._pace.scan_s
            self._suspects.update(await mismatches(self._catalog, self._index, self.generation))

    async def _persist_when_due(self) -> None:
        now = self._clock.monotonic()
        if self.followed != self._persisted and now >= self._persist_at:
            await self._persist(self.followed)
            self._persist_at = now + self._pace.persist_s

    async def _persist(self, revision: int, failures: Sequence[Failure] = ()) -> None:
        await self._index.persist(self.generation.uid)
        await self._record(revision, failures)
        self._persisted = revision

    async def _record(self, revision: int, failures: Sequence[Failure] = ()) -> None:
        await self._catalog.set_followed(self.generation.uid, revision, failures, self.leading.lead)
        self.generation = replace(self.generation, followed=revision)  # where a second _open begins

    def _begin_optimizing(self) -> None:
        self._unoptimized = 0
        self._optimizing = asyncio.create_task(self._optimize())

    async def _optimize(self) -> None:
        uid = self.generation.uid
        try:
            await self._index.optimize(uid)
            self.unbuilt = None
        except SoutuError as error:
            self.unbuilt = error
            reason, problem = error.reason.name, error.message
            _log.warning("the index was not optimised", generation=uid, reason=reason, problem=problem)
        finally:
            self._optimizing = None

    def _pause_s(self) -> float:
        return (
            min(self._pace.persist_s, self._pace.poll_s)
            if self.followed != self._persisted
            else self._pace.poll_s
        )


def _point(change: Change) -> Point:
    assert change.image is not None, "only an image becomes a point"
    assert change.vector is not None, "only a complete change becomes a point"
    return Point(change.uid, change.revision, change.vector, fields_of(change.image))

"""Runs operations that wait in the catalogue, also those that an earlier process left behind."""

import asyncio
import contextlib
import uuid
from collections.abc import Mapping
from dataclasses import replace

from soutu.domain.errors import Reason, SoutuError
from soutu.domain.operation import Holding, Operation, OperationKind, OperationState
from soutu.observe.logs import logger
from soutu.observe.metrics import Metrics
from soutu.operations.job import Job, Work
from soutu.ports import Clock, OperationCatalog

_LEASE_S = 10.0
_HEARTBEAT_S = 2.0
_IDLE_S = 5.0
_AT_ONCE = 8
_log = logger(__name__)


class OperationRunner:
    """Claims operations, gives each to the work of its kind, and records how it ended.

    A lease that is renewed at every heartbeat marks an operation as held; one whose process died is claimed
    again when the lease has run out, and resumes at its cursor. A process that stood still for longer finds
    its operation lost: it stops, and leaves everything to whoever has it now.
    """

    def __init__(
        self,
        catalog: OperationCatalog,
        works: Mapping[OperationKind, Work],
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._catalog = catalog
        self._works = works
        self._clock = clock
        self._metrics = metrics
        self._owner = uuid.uuid4().hex
        self._wake = asyncio.Event()
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._running: dict[int, _Running] = {}
        self._taken: set[int] = set()  # what runs, or is just about to
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begins to claim operations."""
        self._keep(asyncio.create_task(self._run()))

    async def close(self) -> None:
        """Stops; operations at work stay unfinished and are resumed by the next process."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def wake(self) -> None:
        """Says that an operation was asked for."""
        self._wake.set()

    def check(self, uid: int) -> None:
        """Says that an operation was asked to stop, so that it is looked at before its next heartbeat."""
        if running := self._running.get(uid):
            running.poke.set()

    def live(self, operation: Operation) -> Operation:
        """The operation with the progress of this very moment where it runs here."""
        running = self._running.get(operation.uid)
        if running is None or operation.state.final:
            return operation
        return replace(operation, progress=running.job.live_progress())

    async def pause(self, uid: int, timeout_s: float) -> None:
        """Returns after `timeout_s`, or as soon as the operation, where it runs here, has ended."""
        if running := self._running.get(uid):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await running.over.wait()
        else:
            await asyncio.sleep(timeout_s)

    async def _run(self) -> None:
        while True:
            await self._turns.acquire()
            operation = await self._claimed()
            if operation:
                self._taken.add(operation.uid)
                self._keep(asyncio.create_task(self._perform(operation)))
                continue
            self._turns.release()
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_IDLE_S):  # wait_for of 3.11 may swallow a cancellation
                    await self._wake.wait()

    async def _claimed(self) -> Operation | None:
        try:
            operation = await self._catalog.claim_operation(self._owner, _LEASE_S)
        except SoutuError as error:
            _log.warning("operations wait for the catalogue", reason=error.reason.name)
            return None
        if operation and operation.uid in self._taken:  # the clock was moved on, past its lease
            return None
        return operation

    async def _perform(self, operation: Operation) -> None:
        job = Job(operation, self._owner, self._clock)
        running = self._running[operation.uid] = _Running(job, self._works[operation.kind])
        _log.info("operation runs", operation=operation.id, kind=operation.kind, cursor=operation.cursor)
        try:
            if operation.cancel_requested:
                await running.stop()
            while not await running.ended(_HEARTBEAT_S):
                if await self._holding(running.job) is not Holding.HELD:
                    await running.stop()
            await self._finish(running)
        finally:
            await running.stop()
            del self._running[operation.uid]
            running.over.set()
            self._taken.discard(operation.uid)
            self._turns.release()
            self._wake.set()  # another one may have waited for it

    async def _holding(self, job: Job) -> Holding:
        try:
            return await self._catalog.heartbeat(job.operation.uid, self._owner, _LEASE_S, job.progress)
        except SoutuError as error:
            _log.warning("a heartbeat was missed", operation=job.operation.id, reason=error.reason.name)
            return Holding.HELD

    async def _beat(self, job: Job) -> None:
        while True:
            await asyncio.sleep(_HEARTBEAT_S)
            await self._holding(job)

    async def _finish(self, running: "_Running") -> None:
        operation, (state, result, reason, message) = running.job.operation, outcome(running.task)
        if state is not OperationState.SUCCEEDED and not await self._gave_up(running):
            _log.warning("an operation is another's now", operation=operation.id)
            return
        progress = running.job.progress
        if state is OperationState.SUCCEEDED:
            progress = progress.completed()
        _log.info("operation ends", operation=operation.id, state=state, reason=reason)
        self._metrics.operation_ended(operation.kind.value, state.value)
        await self._catalog.finish_operation(
            operation.uid,
            self._owner,
            state,
            progress,
            result=result,
            error_reason=reason,
            error_message=message,
        )

    async def _gave_up(self, running: "_Running") -> bool:
        """Has the work tidied up, its lease extended meanwhile; not where another process has taken it over,
        whose work that would destroy."""
        job, uid = running.job, running.job.operation.uid
        if await self._catalog.heartbeat(uid, self._owner, _LEASE_S, job.progress) is Holding.LOST:
            return False
        beating = asyncio.create_task(self._beat(job))
        try:
            await running.work.give_up(job.operation)
        finally:
            beating.cancel()
        return True

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _log.error("an operation was left to its next run", exc_info=error)


class _Running:
    """An operation at work in this process."""

    def __init__(self, job: Job, work: Work) -> None:
        self.job = job
        self.work = work
        self.poke = asyncio.Event()
        self.over = asyncio.Event()
        self.task: asyncio.Future[Mapping[str, object]] = asyncio.ensure_future(work.run(job))
        self.task.add_done_callback(lambda _: self.poke.set())

    async def ended(self, timeout_s: float) -> bool:
        """Waits for the end, for a poke or for a while; whether the work has ended."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self.poke.wait()
        self.poke.clear()
        return self.task.done()

    async def stop(self) -> None:
        """Cancels the work and waits until it has let go."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def outcome(
    task: asyncio.Future[Mapping[str, object]],
) -> tuple[OperationState, Mapping[str, object] | None, str, str]:
    """How finished work ended: state, result, and the reason and message of a failure."""
    if task.cancelled():
        cancelled = Reason.OPERATION_CANCELLED
        return OperationState.CANCELLED, None, cancelled.name, cancelled.meaning
    error = task.exception()
    if error is None:
        return OperationState.SUCCEEDED, task.result(), "", ""
    if isinstance(error, SoutuError):
        return OperationState.FAILED, None, error.reason.name, error.message
    _log.error("operation broke", exc_info=error)
    return OperationState.FAILED, None, Reason.INTERNAL.name, Reason.INTERNAL.meaning

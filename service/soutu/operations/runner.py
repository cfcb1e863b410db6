"""Runs operations that wait in the catalogue, one at a time, also those that an earlier process left behind."""

import asyncio
import contextlib
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from soutu.domain.errors import Reason, SoutuError
from soutu.domain.operation import Operation, OperationKind, OperationState
from soutu.observe.logs import logger
from soutu.operations.job import Job, Work
from soutu.ports import Clock, OperationCatalog

_LEASE_S = 30.0
_HEARTBEAT_S = 2.0
_IDLE_S = 5.0
_log = logger(__name__)


class OperationRunner:
    """Claims operations, gives each to the work of its kind, and records how it ended.

    A lease that is renewed at every heartbeat marks an operation as held; one whose process died is claimed
    again when the lease has run out, and resumes at its cursor.
    """

    def __init__(self, catalog: OperationCatalog, works: Mapping[OperationKind, Work], clock: Clock) -> None:
        self._catalog = catalog
        self._works = works
        self._clock = clock
        self._owner = uuid.uuid4().hex
        self._wake = asyncio.Event()
        self._jobs: dict[int, Job] = {}
        self._poke: dict[int, asyncio.Event] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to claim operations."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stops; an operation at work stays unfinished and is resumed by the next process."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def wake(self) -> None:
        """Says that an operation was asked for."""
        self._wake.set()

    def check(self, uid: int) -> None:
        """Says that an operation was asked to stop, so that it is looked at before its next heartbeat."""
        if poke := self._poke.get(uid):
            poke.set()

    def live(self, operation: Operation) -> Operation:
        """The operation with the progress of this very moment where it runs here."""
        job = self._jobs.get(operation.uid)
        if job is None or operation.state.final:
            return operation
        return replace(operation, progress=job.live_progress())

    async def _run(self) -> None:
        while True:
            try:
                operation = await self._catalog.claim_operation(self._owner, _LEASE_S)
                if operation:
                    await self._perform(operation)
                    continue
            except SoutuError as error:
                _log.warning("operations wait for the catalogue", reason=error.reason.name)
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), _IDLE_S)

    async def _perform(self, operation: Operation) -> None:
        job = self._jobs[operation.uid] = Job(operation, self._clock)
        poke = self._poke[operation.uid] = asyncio.Event()
        task = asyncio.ensure_future(self._works[operation.kind](job))
        _log.info(
            "operation runs", operation=operation.id, kind=operation.kind.value, cursor=operation.cursor
        )
        try:
            await self._watch(job, task, poke)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            del self._jobs[operation.uid], self._poke[operation.uid]

    async def _watch(self, job: Job, task: asyncio.Future[Mapping[str, object]], poke: asyncio.Event) -> None:
        waiting = asyncio.ensure_future(poke.wait())
        while not task.done():
            either: set[asyncio.Future[Any]] = {task, waiting}
            await asyncio.wait(either, timeout=_HEARTBEAT_S, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                poke.clear()
                waiting = asyncio.ensure_future(poke.wait())
            if not task.done() and not await self._held(job):
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        waiting.cancel()
        await self._finish(job, task)

    async def _held(self, job: Job) -> bool:
        return await self._catalog.heartbeat(job.operation.uid, self._owner, _LEASE_S, job.progress)

    async def _finish(self, job: Job, task: asyncio.Future[Mapping[str, object]]) -> None:
        state, result, reason, message = outcome(task)
        _log.info("operation ends", operation=job.operation.id, state=state.value, reason=reason)
        await self._catalog.finish_operation(
            job.operation.uid,
            self._owner,
            state,
            job.progress,
            result=result,
            error_reason=reason,
            error_message=message,
        )


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

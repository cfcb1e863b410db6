"""Running operations: how each ends, and who tidies up."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import cast

import pytest

from soutu.domain.errors import Reason, SoutuError
from soutu.domain.operation import Holding, Operation, OperationKind, OperationState, Progress
from soutu.observe.clock import SystemClock
from soutu.observe.metrics import Metrics
from soutu.operations.job import Job
from soutu.operations.runner import OperationRunner
from soutu.ports import OperationCatalog
from tests.unit.ingest.fakes import THEN

WAIT_S = 10.0


@dataclass
class Queue:
    """The operations of a catalogue: those that wait, and how each ended."""

    waiting: list[Operation]
    ended: dict[str, tuple[OperationState, str]] = field(default_factory=dict)
    progress: Progress | None = None
    holding: Holding = Holding.HELD
    done: asyncio.Event = field(default_factory=asyncio.Event)

    async def claim_operation(self, owner: str, lease_s: float) -> Operation | None:
        return self.waiting.pop(0) if self.waiting else None

    async def heartbeat(self, uid: int, owner: str, lease_s: float, progress: Progress) -> Holding:
        return self.holding

    async def finish_operation(
        self,
        uid: int,
        owner: str,
        state: OperationState,
        progress: Progress,
        *,
        result: Mapping[str, object] | None = None,
        error_reason: str = "",
        error_message: str = "",
    ) -> None:
        self.ended[f"op{uid}"] = state, error_reason
        self.progress = progress
        self.done.set()


@dataclass
class Script:
    """Work that ends as it is told to, and notes what was asked of it."""

    error: Exception | None = None
    endless: bool = False
    story: list[str] = field(default_factory=list)

    async def run(self, job: Job) -> Mapping[str, object]:
        self.story.append("run")
        if self.endless:
            await asyncio.Event().wait()
        if self.error:
            raise self.error
        return {}

    async def give_up(self, operation: Operation) -> None:
        self.story.append("give up")


OPERATION = Operation(1, "op1", OperationKind.GENERATION, 5, "c", OperationState.RUNNING, {}, THEN, THEN)


async def played(queue: Queue, script: Script, *, stop: bool = False) -> tuple[OperationState, str]:
    runner = OperationRunner(
        cast(OperationCatalog, queue), {OperationKind.GENERATION: script}, SystemClock(), Metrics()
    )
    runner.start()
    try:
        if stop:
            await asyncio.sleep(0.05)
            queue.holding = Holding.STOPPING
            runner.check(1)
        await asyncio.wait_for(queue.done.wait(), WAIT_S)
    finally:
        await runner.close()
    return queue.ended["op1"]


async def test_work_that_ends_has_succeeded() -> None:
    script = Script()
    assert await played(Queue([OPERATION]), script) == (OperationState.SUCCEEDED, "")
    assert script.story == ["run"]


@pytest.mark.parametrize(
    ("reached", "shown"), [(Progress(9, 1, 1), Progress(9, 9, 1)), (Progress(3, 5), Progress(5, 5))]
)
async def test_work_that_succeeds_has_done_all_of_it(reached: Progress, shown: Progress) -> None:
    queue = Queue([replace(OPERATION, progress=reached)])
    await played(queue, Script())
    assert queue.progress == shown


async def test_work_that_fails_stays_where_it_was() -> None:
    queue = Queue([replace(OPERATION, progress=Progress(9, 1))])
    await played(queue, Script(SoutuError(Reason.GENERATION_UNSOUND)))
    assert queue.progress == Progress(9, 1)


@pytest.mark.parametrize(
    ("error", "reason"),
    [(SoutuError(Reason.GENERATION_UNSOUND), "GENERATION_UNSOUND"), (RuntimeError("broken"), "INTERNAL")],
)
async def test_work_that_fails_tidies_up(error: Exception, reason: str) -> None:
    script = Script(error)
    assert await played(Queue([OPERATION]), script) == (OperationState.FAILED, reason)
    assert script.story == ["run", "give up"]


async def test_work_that_is_stopped_tidies_up() -> None:
    script = Script(endless=True)
    ended = await played(Queue([OPERATION]), script, stop=True)
    assert ended == (OperationState.CANCELLED, "OPERATION_CANCELLED")
    assert script.story == ["run", "give up"]


async def test_work_that_another_process_has_taken_over_is_left_to_it() -> None:
    """This process stood still for longer than its lease."""
    queue, work = Queue([OPERATION]), Script(endless=True)
    runner = OperationRunner(
        cast(OperationCatalog, queue), {OperationKind.GENERATION: work}, SystemClock(), Metrics()
    )
    runner.start()
    await asyncio.sleep(0.05)
    queue.holding = Holding.LOST
    runner.check(1)
    await asyncio.wait_for(runner.pause(1, WAIT_S), WAIT_S)
    await runner.close()
    assert (work.story, queue.ended) == (["run"], {})


async def test_what_was_cancelled_before_it_was_claimed_only_tidies_up() -> None:
    script = Script()
    queue = Queue([replace(OPERATION, cancel_requested=True)])
    assert await played(queue, script) == (OperationState.CANCELLED, "OPERATION_CANCELLED")
    assert script.story == ["give up"]


async def test_an_operation_that_runs_here_is_not_taken_up_again() -> None:
    """A clock that is moved on makes its lease look lapsed."""
    queue, work = Queue([OPERATION] * 3), Script(endless=True)
    works = {OperationKind.GENERATION: work}
    runner = OperationRunner(cast(OperationCatalog, queue), works, SystemClock(), Metrics())
    runner.start()
    for _ in range(3):
        await asyncio.sleep(0.02)
        runner.wake()
    await runner.close()
    assert (queue.waiting, work.story) == ([], ["run"])


async def test_who_waits_for_an_operation_is_told_at_once() -> None:
    queue, work = Queue([OPERATION]), Script(endless=True)
    runner = OperationRunner(
        cast(OperationCatalog, queue), {OperationKind.GENERATION: work}, SystemClock(), Metrics()
    )
    runner.start()
    try:
        await runner.pause(1, 0.05)  # the time that is given passes
        assert not queue.ended
        waiting = asyncio.create_task(runner.pause(1, 60 * WAIT_S))
        await asyncio.sleep(0)
        queue.holding = Holding.STOPPING
        runner.check(1)
        await asyncio.wait_for(waiting, WAIT_S)
        assert queue.done.is_set()
    finally:
        await runner.close()

"""A bounded queue: who waits, who is refused, who leaves his place."""

import asyncio
from collections.abc import Callable

import pytest

from soutu.domain.errors import Reason, SoutuError
from soutu.rpc.turns import Turns


class Calls:
    """Calls that take turns; each works until it is told to end."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.begun: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}

    async def call(self, name: str, left_s: float | None = None, weight: int = 1) -> "asyncio.Task[None]":
        """A call that has begun, waits, or has been refused."""
        self._ends[name] = asyncio.Event()
        task = asyncio.create_task(self._work(name, left_s, weight))
        await settled()
        return task

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await settled()

    async def _work(self, name: str, left_s: float | None, weight: int) -> None:
        async with self.turns.turn(left_s, weight):
            self.begun.append(name)
            await self._ends[name].wait()


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
def made() -> Callable[..., Calls]:
    return lambda limit, longest=10: Calls(Turns(limit, longest))


def reason_of(task: "asyncio.Task[None]") -> Reason:
    assert task.done(), "it waits"
    error = task.exception()
    assert isinstance(error, SoutuError)
    return error.reason


async def measured(calls: Calls, seconds: float) -> None:
    """Lets one turn take so long."""
    await calls.call("measured")
    await asyncio.sleep(seconds)
    await calls.end("measured")


async def test_calls_work_up_to_the_limit_and_wait_in_the_order_they_came(made: Callable[..., Calls]) -> None:
    calls = made(2)
    for name in "abcd":
        await calls.call(name)
    assert (calls.begun, calls.turns.running, calls.turns.waiting) == (["a", "b"], 2, 2)
    await calls.end("b")
    await calls.end("a")
    assert (calls.begun, calls.turns.waiting) == (["a", "b", "c", "d"], 0)
    await calls.end("c")
    await calls.end("d")
    assert calls.turns.running == 0


async def test_a_full_queue_refuses(made: Callable[..., Calls]) -> None:
    calls = made(1, 1)
    await calls.call("a")
    await calls.call("b")
    assert reason_of(await calls.call("c")) is Reason.QUEUE_FULL
    assert calls.turns.refused == {"full": 1, "late": 0, "unread": 0}
    await calls.end("a")
    await calls.end("b")
    assert calls.begun == ["a", "b"]


async def test_who_cannot_be_done_in_time_is_refused_at_once_and_the_others_wait(
    made: Callable[..., Calls],
) -> None:
    calls = made(1)
    await measured(calls, 0.1)
    await calls.call("a")
    assert reason_of(await calls.call("late", left_s=0.15)) is Reason.QUEUE_FULL
    await calls.call("b", left_s=10)
    await calls.call("c")
    assert (calls.turns.refused["late"], calls.turns.waiting) == (1, 2)
    for name in "abc":
        await calls.end(name)
    assert calls.begun == ["measured", "a", "b", "c"]


async def test_who_has_waited_too_long_is_refused_when_his_turn_comes(made: Callable[..., Calls]) -> None:
    calls = made(2)
    await measured(calls, 0.05)
    await calls.call("a")
    await calls.call("b")
    waiting = await calls.call("late", left_s=0.2)
    await calls.call("c")
    await asyncio.sleep(0.18)
    await calls.end("a")
    assert reason_of(waiting) is Reason.QUEUE_FULL
    assert calls.begun == ["measured", "a", "b", "c"]
    await calls.end("b")
    await calls.end("c")
    assert calls.turns.running == 0


async def test_a_turn_that_is_free_is_given_whatever_was_measured(made: Callable[..., Calls]) -> None:
    calls = made(1)
    await measured(calls, 0.1)
    task = await calls.call("a", left_s=0.001)
    assert calls.begun == ["measured", "a"]
    await calls.end("a")
    assert task.exception() is None


async def test_who_is_cancelled_leaves_his_place(made: Callable[..., Calls]) -> None:
    calls = made(1, 2)
    await calls.call("a")
    waiting = await calls.call("b")
    await calls.call("c")
    waiting.cancel()
    await settled()
    assert calls.turns.waiting == 1
    await calls.call("d")
    await calls.end("a")
    await calls.end("c")
    assert calls.begun == ["a", "c", "d"]


async def test_a_cancelled_call_that_just_got_its_turn_gives_it_back(made: Callable[..., Calls]) -> None:
    calls = made(1)
    async with calls.turns.turn():
        waiting = await calls.call("a")
    assert calls.turns.running == 1  # it has its turn, and has not run yet
    waiting.cancel()
    await settled()
    assert (calls.begun, calls.turns.running, calls.turns.waiting) == ([], 0, 0)
    await calls.call("b")
    assert calls.begun == ["b"]


async def test_weights_count_and_the_heavy_are_not_overtaken(made: Callable[..., Calls]) -> None:
    calls = made(3)
    await calls.call("a", weight=2)
    await calls.call("heavy", weight=2)
    await calls.call("light")
    assert (calls.begun, calls.turns.running) == (["a"], 2)
    await calls.end("a")
    assert (calls.begun, calls.turns.running) == (["a", "heavy", "light"], 3)


async def test_more_weight_than_there_is_room_for_takes_all_of_it(made: Callable[..., Calls]) -> None:
    calls = made(2)
    await calls.call("a", weight=50)
    await calls.call("b")
    assert (calls.begun, calls.turns.running) == (["a"], 2)
    await calls.end("a")
    assert calls.begun == ["a", "b"]


async def test_a_turn_ends_with_the_error_of_its_work() -> None:
    turns = Turns(1, 1)
    with pytest.raises(ValueError, match="broken"):
        async with turns.turn():
            raise ValueError("broken")
    assert turns.running == 0


async def test_waits_are_told() -> None:
    waits: list[float] = []
    calls = Calls(Turns(1, 1, waits.append))
    await calls.call("a")
    await calls.call("b")
    await asyncio.sleep(0.05)
    await calls.end("a")
    assert len(waits) == 1
    assert 0.04 < waits[0] < 5


async def test_a_queue_is_overrun_that_refuses_until_a_turn_is_free() -> None:
    turns, seen = Turns(1, 0), []
    async with turns.turn(left_s=10):
        seen.append(turns.overrun)
        with pytest.raises(SoutuError):
            await turns.turn().__aenter__()
        seen.append(turns.overrun)
    seen.append(turns.overrun)
    assert seen == [False, True, False]


async def test_a_queue_is_overrun_where_work_outlasts_its_deadline() -> None:
    turns = Turns(1, 0)
    async with turns.turn(left_s=0.02):
        await asyncio.sleep(0.03)
    async with turns.turn():
        assert turns.overrun

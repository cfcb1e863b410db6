"""A bounded queue for one kind of work, which knows what cannot be done in time."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from soutu.domain.errors import Reason, SoutuError

# How much of an earlier measure stays in the next one, and what may go wrong with a forecast.
_MEMORY = 0.9
_MARGIN = 1.25
# For how long a queue counts as overrun after a call that was not done in time.
_OVERRUN_S = 0.2


@dataclass(slots=True, eq=False)
class _Waiter:
    turn: asyncio.Future[None]
    weight: int
    until_s: float


class Turns:
    """At most `limit` units of work at a time, and at most `longest` calls that wait for theirs, in the order
    they came.

    A call that its deadline would overtake is refused: at once where the queue before it says so, and when
    its turn comes where what is left is less than one turn takes. Both are judged by what turns have taken
    lately. Who finds a turn free is never refused: so a wrong measure is always put right by the next ones.
    """

    def __init__(self, limit: int, longest: int, waited: Callable[[float], None] = lambda _: None) -> None:
        """`waited` is told for how long each call has waited that had to and got its turn."""
        self.running = 0
        self.refused = {"full": 0, "late": 0, "unread": 0}
        self._limit = limit
        self._longest = longest
        self._waited = waited
        self._queue: deque[_Waiter] = deque()
        self._queued_weight = 0
        self._turn_s = 0.0
        self._failed_s = float("-inf")

    @property
    def overrun(self) -> bool:
        """Whether more calls come than can be done: no turn is free, and a moment ago a call was refused, or
        not done in its time."""
        taken = bool(self._queue) or self.running >= self._limit
        return taken and time.monotonic() - self._failed_s < _OVERRUN_S

    @property
    def waiting(self) -> int:
        """How many calls wait."""
        return len(self._queue)

    @asynccontextmanager
    async def turn(self, left_s: float | None = None, weight: int = 1) -> AsyncIterator[None]:
        """Around the work of a call that must be done within `left_s`: QUEUE_FULL. More weight than there is
        room for takes all of it. A call that is cancelled leaves its place."""
        weight = min(weight, self._limit)
        until_s = time.monotonic() + left_s if left_s is not None else float("inf")
        if self._queue or self.running + weight > self._limit:
            await self._wait(left_s, weight)
        else:
            self.running += weight
        began_s = time.monotonic()
        try:
            yield
        finally:
            ended_s = time.monotonic()
            if ended_s > until_s:
                self._failed_s = ended_s
            self._measure(ended_s - began_s)
            self._leave(weight)

    def _measure(self, took_s: float) -> None:
        self._turn_s = _MEMORY * self._turn_s + (1 - _MEMORY) * took_s if self._turn_s else took_s

    async def _wait(self, left_s: float | None, weight: int) -> None:
        if len(self._queue) >= self._longest:
            raise self._refusal("full", "Too much work is waiting; retry after the delay given.")
        if left_s is not None and self._forecast_s(weight) > left_s:
            raise self._refusal("late", "The work that is waiting leaves no time for this call; retry later.")
        began_s = time.monotonic()
        until_s = began_s + left_s if left_s is not None else float("inf")
        waiter = _Waiter(asyncio.get_running_loop().create_future(), weight, until_s)
        self._queue.append(waiter)
        self._queued_weight += weight
        try:
            await waiter.turn
        except asyncio.CancelledError:
            self._give_up(waiter)
            raise
        self._waited(time.monotonic() - began_s)

    def _forecast_s(self, weight: int) -> float:
        """How long until a call that comes now is done: all that waits before it, and its own turn."""
        turns_before = (self._queued_weight + weight) / self._limit
        return _MARGIN * self._turn_s * (turns_before + 1)

    def _give_up(self, waiter: _Waiter) -> None:
        if waiter in self._queue:
            self._queue.remove(waiter)
            self._queued_weight -= waiter.weight
            self._call_next()
        elif not waiter.turn.cancelled() and waiter.turn.exception() is None:
            self._leave(waiter.weight)  # its turn came in the very moment that it was cancelled

    def _leave(self, weight: int) -> None:
        self.running -= weight
        self._call_next()

    def _call_next(self) -> None:
        while self._queue and self.running + self._queue[0].weight <= self._limit:
            waiter = self._queue.popleft()
            self._queued_weight -= waiter.weight
            if waiter.turn.done():
                continue
            if time.monotonic() + _MARGIN * self._turn_s > waiter.until_s and self.running:
                late = "There is no time left for this call after what it has waited; retry later."
                waiter.turn.set_exception(self._refusal("late", late))
                continue
            self.running += waiter.weight
            waiter.turn.set_result(None)

    def _refusal(self, why: str, message: str) -> SoutuError:
        self.refused[why] += 1
        self._failed_s = time.monotonic()
        return SoutuError(Reason.QUEUE_FULL, message)

"""Watches a decoder at work: what takes long is stood in for and gives way, and its time is that of computing
rather than of waiting."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from soutu.imaging.process import DecoderProcess

LONG_S = 0.04
SLOW_S = 0.25
PATIENCE = 4
_SLOW_CPU_S = 0.1
_CHECK = 0.9  # of the time allowed, when it is looked whether the decoder had a fair share of the cores
_FAIR = 0.5
_TICK_S = 0.02  # what the system's count of computing may lag behind


class Overrun:
    """The context of one job. `on_long` is called once it takes longer than most. From a quarter of a second
    on, and once it has computed for a tenth, its decoder gives way, and `on_slow` is called. Near the end of
    its `seconds` the deadline is moved on, up to four times as far, for as long as others have kept it from
    computing half of the time since."""

    def __init__(
        self,
        decoder: DecoderProcess,
        deadline: asyncio.Timeout,
        seconds: float,
        on_long: Callable[[], None],
        on_slow: Callable[[], None],
    ) -> None:
        self._decoder = decoder
        self._deadline = deadline
        self._seconds = seconds
        self._on_long = on_long
        self._on_slow = on_slow
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._long_s = min(LONG_S, seconds / 4)
        self._since = 0.0
        self._cpu_s = 0.0

    def __enter__(self) -> Self:
        self._timer = self._loop.call_later(self._long_s, self._long)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer:
            self._timer.cancel()

    def _long(self) -> None:
        self._since, self._cpu_s = self._loop.time(), self._decoder.cpu_s()
        self._on_long()
        self._timer = self._loop.call_later(min(SLOW_S, self._seconds / 2) - self._long_s, self._slow)

    def _slow(self) -> None:
        left_s = _CHECK * self._seconds - self._long_s - (self._loop.time() - self._since)
        if self._computed_s() < min(_SLOW_CPU_S, self._seconds / 4):
            again = self._slow if left_s > _SLOW_CPU_S else self._look
            self._timer = self._loop.call_later(max(0.0, min(_SLOW_CPU_S, left_s)), again)
            return
        self._decoder.give_way()
        self._on_slow()
        self._timer = self._loop.call_later(max(0.0, left_s), self._look)

    def _look(self) -> None:
        when, end = self._deadline.when(), self._since + PATIENCE * self._seconds
        fair_s = _FAIR * (self._loop.time() - self._since)
        if when is None or when >= end or self._computed_s() >= fair_s:
            return
        self._deadline.reschedule(min(when + self._seconds, end))
        self._timer = self._loop.call_later(self._seconds, self._look)

    def _computed_s(self) -> float:
        return self._decoder.cpu_s() - self._cpu_s + _TICK_S

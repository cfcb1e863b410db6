"""Watches a decoder at work: what takes long is stood in for and gives way, and its time is that of computing
rather than of waiting."""

import asyncio
from collections.abc import Callable
from math import isfinite
from types import TracebackType
from typing import Self

from soutu.imaging.lanes import Slot
from soutu.imaging.process import DecoderProcess

LONG_S = 0.04
SLOW_S = 0.25
PATIENCE = 4
_SLOW_CPU_S = 0.1
_TICK_S = 0.02  # what the system's count of computing may lag behind


class Overrun:
    """The context of one job in `slot`. `on_long` is called once it takes longer than most. From a quarter of
    a second on, and once it has computed for a tenth, its decoder gives way, and the slot is slow.

    Its time is up, which is the `deadline`, once it has computed for `seconds`; or after four times as long,
    however little of that others have let it compute: the slot is starved then, unless its decoder sleeps.
    """

    def __init__(
        self,
        decoder: DecoderProcess,
        deadline: asyncio.Timeout,
        seconds: float,
        slot: Slot,
        on_long: Callable[[], None],
    ) -> None:
        self._decoder = decoder
        self._deadline = deadline
        self._seconds = seconds
        self._slot = slot
        self._on_long = on_long
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._began = self._loop.time()
        self._cpu_s = 0.0

    def __enter__(self) -> Self:
        self._timer = self._loop.call_later(min(LONG_S, self._seconds / 4), self._long)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer:
            self._timer.cancel()

    def _long(self) -> None:
        self._cpu_s = self._decoder.cpu_s()
        self._on_long()
        slow_s = min(SLOW_S, self._seconds / 2)
        self._timer = self._loop.call_at(self._began + slow_s, self._look)

    def _look(self) -> None:
        """Now and then, and never later than its time may be up."""
        waited_s = self._loop.time() - self._began
        computed_s = self._computed_s(waited_s)
        if computed_s >= min(_SLOW_CPU_S, self._seconds / 4) and not self._slot.slow:
            self._decoder.give_way()
            self._slot.slow = True
        left_s = min(self._seconds - computed_s, PATIENCE * self._seconds - waited_s)
        if left_s <= 0:
            self._slot.starved = computed_s < self._seconds and not self._decoder.sleeps()
            self._deadline.reschedule(self._loop.time())
            return
        pause_s = left_s if self._slot.slow else min(_SLOW_CPU_S, left_s)
        self._timer = self._loop.call_later(max(_TICK_S, pause_s), self._look)

    def _computed_s(self, waited_s: float) -> float:
        """At most by a tick more than it has computed since it was long; where the system does not tell, all
        the time since it began."""
        computed_s = self._decoder.cpu_s() - self._cpu_s
        return computed_s + _TICK_S if isfinite(computed_s) else waited_s

"""How busy the event loop is: the share of its time in which it had something to do."""

import asyncio
import selectors
import sys
import time
from collections.abc import Callable

_WINDOW_S = 0.05


class WatchedSelector(selectors.DefaultSelector):
    """Counts the seconds in which it was waited for something to happen."""

    def __init__(self) -> None:
        super().__init__()
        self.rested_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """As DefaultSelector; a look that waits for nothing is no rest."""
        if timeout is not None and timeout <= 0:
            return super().select(timeout)
        began_s = time.monotonic()
        try:
            return super().select(timeout)
        finally:
            self.rested_s += time.monotonic() - began_s


class WatchedLoop(asyncio.SelectorEventLoop):
    """An event loop that knows how long it has rested."""

    def __init__(self) -> None:
        self._watched = WatchedSelector()
        super().__init__(self._watched)

    def rested_s(self) -> float:
        """The seconds, of all since its beginning, in which it had nothing to do."""
        return self._watched.rested_s


def watched_loop() -> asyncio.AbstractEventLoop:
    """A new event loop, watched where the system's usual one uses a selector: not on Windows."""
    return asyncio.new_event_loop() if sys.platform == "win32" else WatchedLoop()


class Busyness:
    """How busy a loop has been lately, by windows of 50 ms at the least; 0 for a loop that is not watched."""

    def __init__(
        self, rested_s: Callable[[], float] | None, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._rested_s = rested_s
        self._now_s = now_s
        self._share = 0.0
        self._began_s = now_s()
        self._rested_before_s = rested_s() if rested_s else 0.0

    @classmethod
    def of_running_loop(cls) -> "Busyness":
        """Of the loop that runs this."""
        loop = asyncio.get_running_loop()
        return cls(loop.rested_s if isinstance(loop, WatchedLoop) else None)

    def share(self) -> float:
        """From 0 to 1, in the last whole window; one in which nobody asked is longer."""
        now_s = self._now_s()
        if self._rested_s is None or now_s - self._began_s < _WINDOW_S:
            return self._share
        rested_s = self._rested_s()
        self._share = 1 - min(1.0, (rested_s - self._rested_before_s) / (now_s - self._began_s))
        self._began_s, self._rested_before_s = now_s, rested_s
        return self._share

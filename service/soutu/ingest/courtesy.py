"""Courtesy: long work leaves the cores to queries."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from soutu.ports import Clock

_LINGER_S = 0.1
_LONGEST_REST_S = 0.5


class Courtesy:
    """Counts the queries being answered; long work asks for a turn before each image.

    While there are queries, and for a moment after the last one, a single image is in work at a time, and
    after each the work rests for as long as it took: it goes on however many queries come, and takes half of
    one core.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._queries = 0
        self._quiet_at_s = clock.monotonic()
        self._images = 0
        self._rested_at_s = 0.0
        self._door = asyncio.Lock()
        self._freed = asyncio.Event()

    @contextmanager
    def query(self) -> Iterator[None]:
        """Around the answering of a query."""
        self._queries += 1
        try:
            yield
        finally:
            self._queries -= 1
            self._quiet_at_s = self._clock.monotonic() + _LINGER_S

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Around the work on one image; turns come in the order asked for."""
        async with self._door:
            while self._asked() and (rest_s := self._rest_s()) > 0:
                self._freed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(rest_s):  # wait_for of 3.11 may swallow a cancellation
                        await self._freed.wait()
            self._images += 1
        began_s = self._clock.monotonic()
        try:
            yield
        finally:
            now_s = self._clock.monotonic()
            self._images -= 1
            self._rested_at_s = now_s + min(now_s - began_s, _LONGEST_REST_S)
            self._freed.set()

    def _rest_s(self) -> float:
        """How long to wait before looking again whether the next image may begin; 0 where it may."""
        return _LINGER_S if self._images else max(self._rested_at_s - self._clock.monotonic(), 0)

    def _asked(self) -> bool:
        return self._queries > 0 or self._clock.monotonic() < self._quiet_at_s

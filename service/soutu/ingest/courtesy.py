"""Courtesy: long work leaves the cores to queries."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from soutu.ports import Clock

_LINGER_S = 0.1


class Courtesy:
    """Counts the queries being answered; long work asks for a turn before each image.

    While there are queries, and for a moment after the last one, a single image is in work at a time: the
    work goes on however many queries come, and takes one core at most.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._queries = 0
        self._quiet_at_s = clock.monotonic()
        self._images = 0
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
            while self._images and self._asked():
                self._freed.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._freed.wait(), _LINGER_S)
            self._images += 1
        try:
            yield
        finally:
            self._images -= 1
            self._freed.set()

    def _asked(self) -> bool:
        return self._queries > 0 or self._clock.monotonic() < self._quiet_at_s

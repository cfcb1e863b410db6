"""How long each stage of one request took."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType


class Stages:
    """A stopwatch per named stage of one piece of work, in the order in which they began.

    A stage that is timed several times adds up. Time spent waiting counts. Stages that run at the same time
    each count their own, so their sum may exceed the whole.
    """

    def __init__(self, monotonic: Callable[[], float] = time.perf_counter) -> None:
        self._monotonic = monotonic
        self._seconds: dict[str, float] = {}

    @contextmanager
    def time(self, name: str) -> Iterator[None]:
        """Times the block, also when it fails or awaits."""
        started = self._monotonic()
        self._seconds.setdefault(name, 0.0)
        try:
            yield
        finally:
            self.add(name, self._monotonic() - started)

    def add(self, name: str, seconds: float) -> None:
        """Adds time that was measured elsewhere."""
        self._seconds[name] = self._seconds.get(name, 0.0) + seconds

    @property
    def seconds(self) -> Mapping[str, float]:
        """Seconds by stage so far: a live view that cannot be written."""
        return MappingProxyType(self._seconds)

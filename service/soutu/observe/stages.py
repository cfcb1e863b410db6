"""How long each stage of one request took."""

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType


class Stages:
    """A stopwatch per named stage of one piece of work, in the order in which they began.

    A stage that is timed several times adds up. Time spent waiting counts. Stages that run at the same time
    each count their own, so their sum may exceed the whole.
    """

    def __init__(self, monotonic: Callable[[], float] = time.perf_counter) -> None:
        self._monotonic = monotonic
        self._seconds: dict[str, float] = {}

    def time(self, name: str) -> "Timing":
        """Times the block that it is around, also when that fails or awaits."""
        return Timing(self, name, self._monotonic)

    def add(self, name: str, seconds: float) -> None:
        """Adds time that was measured elsewhere."""
        self._seconds[name] = self._seconds.get(name, 0.0) + seconds

    @property
    def seconds(self) -> Mapping[str, float]:
        """Seconds by stage so far: a live view that cannot be written."""
        return MappingProxyType(self._seconds)


class Timing:
    """Around one block of a stage. A class, as a generator would take longer than the shortest stages."""

    __slots__ = ("_monotonic", "_name", "_stages", "_started_s")

    def __init__(self, stages: Stages, name: str, monotonic: Callable[[], float]) -> None:
        self._stages = stages
        self._name = name
        self._monotonic = monotonic
        self._started_s = 0.0

    def __enter__(self) -> None:
        self._stages.add(self._name, 0.0)  # its place among the stages is where it began
        self._started_s = self._monotonic()

    def __exit__(self, *_: object) -> None:
        self._stages.add(self._name, self._monotonic() - self._started_s)

"""What the cores did meanwhile: the server, its callers, and how much was left over."""

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import psutil  # type: ignore[import-untyped]

from bench.report import Row
from bench.server import RunningServer

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Balance:
    """Seconds: by the clock, of the cores in the server and its children, in the callers' processes that
    have ended, and at rest, whoever else used the machine."""

    wall_s: float
    server_s: float
    callers_s: float
    rest_s: float

    def rows(self, when: str) -> list[Row]:
        """In cores, on average; whoever else used the machine has what is missing."""
        parts = {"the server": self.server_s, "ghz": self.callers_s, "nobody": self.rest_s}
        return [Row(f"{when}, cores used by {who}", spent / self.wall_s, "") for who, spent in parts.items()]


def balanced(server: RunningServer, work: Callable[[], T]) -> tuple[T, Balance]:
    """What `work`, which starts the callers and waits for them, returns, and what the cores did during it."""
    before = _spent(server)
    done = work()
    after = _spent(server)
    return done, Balance(*(end - begin for begin, end in zip(before, after, strict=True)))


def _spent(server: RunningServer) -> tuple[float, float, float, float]:
    callers = resource.getrusage(resource.RUSAGE_CHILDREN)
    machine = psutil.cpu_times()
    rest_s = machine.idle + getattr(machine, "iowait", 0.0)
    return time.perf_counter(), server.cpu_s(), callers.ru_utime + callers.ru_stime, rest_s

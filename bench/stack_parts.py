"""The parts of the stack, started for a benchmark: where they run, and what they compute."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.server import computed_s
from scripts.stack.parts import PARTS
from scripts.stack.running import ended, launched

# Milvus ends itself when it has not been heard of by its own etcd for so long, such as while a virtual
# machine stands still; else it is 30 s. One that is started again waits as long for what it was before.
PATIENT = {"COMMON_SESSION_TTL": "180"}


@dataclass(frozen=True, slots=True)
class RunningStack:
    """Soutu's settings for every part, without the prefix SOUTU_, and the parts' processes by name."""

    settings: Mapping[str, str]
    pids: Mapping[str, int]

    def cpu_s(self) -> Mapping[str, float]:
        """What each part has computed so far, with its children."""
        return {name: computed_s(pid) for name, pid in self.pids.items()}


@contextmanager
def stack(place: Path, environment: Mapping[str, str] | None = None) -> Iterator[RunningStack]:
    """Every part with its data in `place`, what a former run has left there included; ended at the end.
    `environment` is added to that of each."""
    settings: dict[str, str] = {}
    pids: dict[str, int] = {}
    with ExitStack() as parts:
        for name in PARTS:
            running = launched(name, place / name, environment)
            parts.callback(ended, running)
            settings |= running.settings
            pids[name] = running.pid
        yield RunningStack({name.removeprefix("SOUTU_"): value for name, value in settings.items()}, pids)

"""Raw inference: the best throughput that ONNX Runtime reaches with a model on these cores.

    PYTHONPATH=service:. python -m bench.raw

prints it, and for how long a core computes for one picture: that says something on a busy machine, too.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import sched_getaffinity
from pathlib import Path

import numpy as np
import onnxruntime

from bench.models import card_of, resnet_folder
from bench.report import Row


@dataclass(frozen=True, slots=True)
class Way:
    """So many runs side by side, each with so many threads and pictures."""

    runs: int
    threads: int
    batch: int

    def __str__(self) -> str:
        return f"{self.runs} x {self.threads} threads, batch {self.batch}"


def ways(cores: int) -> Iterator[Way]:
    for batch in (1, 4):
        yield Way(cores, 1, batch)
    if cores > 1:
        for batch in (1, 8):
            yield Way(1, cores, batch)


class RawInference:
    """Measures in rounds, before and after what it is compared with, and keeps the best of each way."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self._folder = folder
        self._seconds = seconds
        self._best: dict[Way, float] = {}

    def measure(self) -> None:
        """One round."""
        for way in ways(len(sched_getaffinity(0))):
            found = throughput(self._folder, way, self._seconds)
            self._best[way] = max(found, self._best.get(way, 0.0))

    @property
    def best(self) -> float:
        """Pictures a second."""
        return max(self._best.values())

    def rows(self) -> list[Row]:
        """One for each way."""
        return [Row(f"raw inference, {way}", rate, "images/s") for way, rate in self._best.items()]


@dataclass(frozen=True, slots=True)
class Pace:
    """Pictures a second, and the ms that a core computes for one of them."""

    rate: float
    core_ms: float


def throughput(folder: Path, way: Way, seconds: float) -> float:
    """Pictures a second over about so many seconds."""
    return pace(folder, way, seconds).rate


def pace(folder: Path, way: Way, seconds: float) -> Pace:
    """Over about so many seconds, after a first run of each thread."""
    card = card_of(folder)
    session = onnxruntime.InferenceSession(
        folder / card.artefact, session_options(way.threads), providers=["CPUExecutionProvider"]
    )
    shape = (way.batch, card.input.height, card.input.width, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)

    def run_until(deadline: float) -> int:
        done = 0
        while time.perf_counter() < deadline:
            session.run(None, {"pixels": pixels})
            done += way.batch
        return done

    with ThreadPoolExecutor(way.runs) as pool:
        list(pool.map(lambda _: session.run(None, {"pixels": pixels}), range(way.runs)))
        started, computed = time.perf_counter(), time.process_time()
        done = sum(pool.map(run_until, way.runs * [started + seconds]))
        passed, computed = time.perf_counter() - started, time.process_time() - computed
        return Pace(done / passed, 1e3 * computed / done)


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """Threads that spin: alone on the machine, that is the fastest."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return options


def main() -> None:
    """Prints one line for each way."""
    folder = resnet_folder()
    for way in ways(len(sched_getaffinity(0))):
        found = pace(folder, way, 3.0)
        print(f"{way}: {found.rate:.1f} images/s, {found.core_ms:.1f} ms of a core each", flush=True)


if __name__ == "__main__":
    main()

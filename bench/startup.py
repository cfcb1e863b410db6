"""From exec to the first answer; a server's memory against a script's with the same model and index."""

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil  # type: ignore[import-untyped]

from bench.load import Load, driven
from bench.models import bundled_folder, card_of
from bench.pictures import query_pictures
from bench.report import Row, Table
from bench.scale import CONCURRENCY, Scale
from bench.search_image import request
from bench.search_vector import engine_copy
from bench.server import first_answer, memory_mib, serving
from bench.stored import vector_store
from bench.vectors import Workload
from soutu.v1.search_pb2 import SearchRequest

TITLE = "Start and memory"
ROUNDS = 3
CALLS = 100


@dataclass(frozen=True, slots=True)
class Round:
    """One life of a server: seconds to its first answer, memory then and after a load."""

    first_answer_s: float
    memory_mib: float
    loaded_memory_mib: float


def run(scale: Scale) -> list[Table]:
    """Medians of some rounds, after one that warms the page cache."""
    model = bundled_folder()
    card = card_of(model)
    data = vector_store(model, Workload.drawn(scale.vectors, card.dimension, 0).stored)
    asked = request(query_pictures(1)[0])
    rounds = [lived(data, asked) for _ in range(ROUNDS + 1)][1:]
    held = held_mib(model / card.artefact, data)
    loaded = float(np.median([each.loaded_memory_mib for each in rounds]))
    subject = f"{card.ref}, {scale.vectors:,} x {card.dimension} stored, median of {ROUNDS}"
    rows = [
        Row("exec to first answer", median(rounds, "first_answer_s"), "s", "<= 3"),
        Row("memory beyond the script", loaded - held, "MiB", "<= 400", f"after {CALLS} searches"),
        Row("server and children, first answer given", median(rounds, "memory_mib"), "MiB", remark="PSS"),
        Row(f"server and children, after {CALLS} searches", loaded, "MiB", remark="PSS"),
        Row("script with the same model and index", held, "MiB", remark="PSS"),
    ]
    return [Table(subject, rows)]


def lived(data: Path, asked: bytes) -> Round:
    with serving(data) as server:
        first_answer(server.address, SearchRequest.FromString(asked))
        answered = time.perf_counter()
        memory = server.memory_mib()
        driven(Load(server.address, [asked], CALLS, CONCURRENCY))
        return Round(answered - server.started, memory, server.memory_mib())


def median(rounds: list[Round], field: str) -> float:
    return float(np.median([getattr(each, field) for each in rounds]))


def held_mib(artefact: Path, data: Path) -> float:
    with engine_copy(data) as place:
        command = [sys.executable, "-m", "bench.holder", str(artefact), f"{place}/shard"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline(), "the script did not find what it looked for"
            return memory_mib(psutil.Process(holder.pid))

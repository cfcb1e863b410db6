"""The same query again, against a bare gRPC echo with requests and replies of the same sizes."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.load import Load, Outcome, driven
from bench.models import bundled_folder
from bench.pictures import query_pictures
from bench.report import Row, Table
from bench.scale import CONCURRENCY, Scale
from bench.search_image import request
from bench.server import RunningServer, first_answer, serving
from bench.stored import picture_store
from soutu.v1.search_pb2 import SearchRequest, SearchResponse

TITLE = "The same search again against a bare echo"
UNCACHED_CALLS = 200
PROCESSES = 2  # one Python process alone would be slower than the servers, and hide what they take


@dataclass(frozen=True, slots=True)
class Repeated:
    """What repeating one call did, and the server's time to compute for each."""

    outcome: Outcome
    cpu_ms: float


def run(scale: Scale) -> list[Table]:
    """One picture, asked for again and again; then the echo."""
    asked = request(query_pictures(1)[0])
    with serving(picture_store(bundled_folder(), scale.images)) as server:
        first_answer(server.address, SearchRequest.FromString(asked))
        again = driven(Load(server.address, [asked], 50, CONCURRENCY))
        calls = scale.calls if is_cached(again.replies[-1]) else UNCACHED_CALLS
        ours = repeated(server, Load(server.address, [asked], calls, CONCURRENCY))
    reply = ours.outcome.replies[-1]
    with echoing(len(reply)) as server:
        load = Load(server.address, [asked], scale.calls, CONCURRENCY, method="/bench.Echo/Echo")
        echo = repeated(server, load)
    subject = f"{len(asked):,} bytes in, {len(reply):,} out, {CONCURRENCY} callers"
    return [Table(subject, rows(ours, echo))]


def rows(ours: Repeated, echo: Repeated) -> list[Row]:
    share = 100 * ours.outcome.throughput / echo.outcome.throughput
    cached = sum(is_cached(each) for each in ours.outcome.replies) / len(ours.outcome.replies)
    return [
        Row("share of the echo", share, "%", ">= 40"),
        Row("same search again", ours.outcome.throughput, "searches/s"),
        Row("same search again, p50", ours.outcome.latency_ms(50), "ms"),
        Row("same search again, p99", ours.outcome.latency_ms(99), "ms"),
        Row("answers from the cache", 100 * cached, "%", "100"),
        Row("bare echo", echo.outcome.throughput, "calls/s"),
        Row("same search again, the server's computing", ours.cpu_ms, "ms", remark="a call, all cores"),
        Row("bare echo, the server's computing", echo.cpu_ms, "ms", remark="a call, all cores"),
        Row("calls that failed", len(ours.outcome.errors) + len(echo.outcome.errors), "calls", "0"),
    ]


def repeated(server: RunningServer, load: Load) -> Repeated:
    before_s = server.cpu_s()
    outcome = driven(load, PROCESSES)
    return Repeated(outcome, 1e3 * (server.cpu_s() - before_s) / load.calls)


def is_cached(reply: bytes) -> bool:
    return SearchResponse.FromString(reply).report.cached


@contextmanager
def echoing(reply_bytes: int) -> Iterator[RunningServer]:
    """A process that answers any request with so many bytes."""
    command = [sys.executable, "-m", "bench.echo", str(reply_bytes)]
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield RunningServer(process.stdout.readline().strip(), process.pid, started)
        finally:
            process.terminate()

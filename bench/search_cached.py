"""The same query again, against a bare gRPC echo with requests and replies of the same sizes."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bench.load import Load, driven
from bench.models import bundled_folder
from bench.pictures import query_pictures
from bench.report import Row
from bench.scale import CONCURRENCY, Scale
from bench.search_image import request
from bench.server import first_answer, serving
from bench.stored import picture_store
from soutu.v1.search_pb2 import SearchRequest, SearchResponse

TITLE = "The same search again against a bare echo"
UNCACHED_CALLS = 200


def run(scale: Scale) -> list[Row]:
    """One picture, asked for again and again; then the echo."""
    asked = request(query_pictures(1)[0])
    with serving(picture_store(bundled_folder(), scale.images)) as server:
        first_answer(server.address, SearchRequest.FromString(asked))
        again = driven(Load(server.address, [asked], 50, CONCURRENCY))
        calls = scale.calls if is_cached(again.replies[-1]) else UNCACHED_CALLS
        ours = driven(Load(server.address, [asked], calls, CONCURRENCY))
    reply = ours.replies[-1]
    with echoing(len(reply)) as address:
        echo = driven(Load(address, [asked], scale.calls, CONCURRENCY, method="/bench.Echo/Echo"))
    cached = sum(is_cached(each) for each in ours.replies) / len(ours.replies)
    sizes = f"{len(asked):,} bytes in, {len(reply):,} out"
    return [
        Row("share of the echo", 100 * ours.throughput / echo.throughput, "%", ">= 40", sizes),
        Row(f"same search again, {CONCURRENCY} callers", ours.throughput, "searches/s"),
        Row("same search again, p50", ours.latency_ms(50), "ms"),
        Row("same search again, p99", ours.latency_ms(99), "ms"),
        Row("answers from the cache", 100 * cached, "%", "100"),
        Row(f"bare echo, {CONCURRENCY} callers", echo.throughput, "calls/s"),
        Row("calls that failed", len(ours.errors) + len(echo.errors), "calls", "0"),
    ]


def is_cached(reply: bytes) -> bool:
    return SearchResponse.FromString(reply).report.cached


@contextmanager
def echoing(reply_bytes: int) -> Iterator[str]:
    """A process that answers any request with so many bytes; yields its address."""
    command = [sys.executable, "-m", "bench.echo", str(reply_bytes)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()

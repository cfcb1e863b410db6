"""A vector query through gRPC against the engine called directly, and its recall against exact search."""

import asyncio
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import qdrant_edge as edge

from bench.load import Load, Outcome, driven
from bench.models import projection_folder
from bench.report import Row, Table
from bench.scale import Scale
from bench.search_image import stage_rows
from bench.server import first_answer, serving
from bench.stored import COLLECTION, vector_store
from bench.vectors import LIMIT, Workload, directly, median_ms
from soutu.adapters.vectors.edge_plan import DEFAULT_CANDIDATES
from soutu.client import search_request
from soutu.domain.embedding import Vectors
from soutu.v1.search_pb2 import SearchResponse

TITLE = "Search by vector against the engine called directly"
DIMENSION = 512
WARM_UP = 50
READ_AHEAD_S = 6.0  # after a start, rows are read ahead of searches
MOST_QUERIES = 1_000  # drawn together with what is stored, which must not depend on how many are asked


def run(scale: Scale) -> list[Table]:
    """One caller, a new vector each call; the engine alone before and after it."""
    work = Workload.drawn(scale.vectors, DIMENSION, MOST_QUERIES)
    data = vector_store(projection_folder(), work.stored)
    work = Workload(work.stored, work.queries[: scale.vector_queries + WARM_UP])
    before = engine_ms(data, work.queries)
    outcome = served(data, work.queries)
    engine = float(np.mean([before, engine_ms(data, work.queries)]))
    service = outcome.latency_ms(50)
    replies = [SearchResponse.FromString(reply) for reply in outcome.replies]
    rows = [
        Row("through gRPC beyond the engine, median", service - engine, "ms", "<= 2"),
        Row("through gRPC, median", service, "ms"),
        Row("through gRPC, p99", outcome.latency_ms(99), "ms"),
        Row("engine called directly, median", engine, "ms", remark=f"{DEFAULT_CANDIDATES} candidates"),
        Row(f"recall@{LIMIT}", recall(replies, work), "", ">= 0.98", "default parameters"),
        *stage_rows("through gRPC", replies, outcome.mean_ms),
        Row("calls that failed", len(outcome.errors), "calls", "0"),
    ]
    return [Table(f"{scale.vectors:,} x {DIMENSION} stored, one caller", rows)]


def served(data: Path, queries: Vectors) -> Outcome:
    """The answers in the order of `queries`, of which the last warm up."""
    requests = [search_request(COLLECTION, query, page_size=LIMIT) for query in queries]
    with serving(data) as server:
        first_answer(server.address, requests[-1])
        time.sleep(READ_AHEAD_S)
        asked = [request.SerializeToString() for request in requests]
        calls = len(asked) - WARM_UP
        return driven(Load(server.address, asked, calls, concurrency=1, channels=1, warm_up=WARM_UP))


def engine_ms(data: Path, queries: Vectors) -> float:
    """The median of the engine alone, on a copy of the index: opening it would break the server's seal."""
    with engine_copy(data) as place:
        shard = edge.EdgeShard.load(str(Path(place) / "shard"))
        search = directly(shard, DEFAULT_CANDIDATES)
        asyncio.run(median_ms(search, queries))
        found = asyncio.run(median_ms(search, queries))
        shard.close()
    return found


def engine_copy(data: Path) -> "TemporaryDirectory[str]":
    """A directory with a copy of the only generation's "shard"."""
    place = TemporaryDirectory(dir=data.parent)
    (shard,) = (data / "index").glob("*/shard")
    shutil.copytree(shard, Path(place.name) / "shard")
    return place


def recall(replies: Sequence[SearchResponse], work: Workload) -> float:
    """The share of the exact nearest that the answers hold."""
    queries = work.queries[: len(replies)]
    exact = np.argsort(-(queries @ work.stored.T), axis=1)[:, :LIMIT]
    shared = 0
    for reply, rows in zip(replies, exact, strict=True):
        found = {match.name.rsplit("/", 1)[1] for match in reply.matches}
        shared += len(found & {f"v{row}" for row in rows})
    return shared / exact.size

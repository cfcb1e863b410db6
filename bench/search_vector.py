"""A vector query through gRPC against the engine called directly, and its recall against exact search."""

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import qdrant_edge as edge

from bench.load import Load, Outcome, driven
from bench.models import projection_folder
from bench.report import Row
from bench.scale import Scale
from bench.server import first_answer, serving
from bench.stored import COLLECTION, vector_store
from bench.vectors import LIMIT, Workload, directly, median_ms
from soutu.adapters.vectors.edge_plan import DEFAULT_CANDIDATES
from soutu.client import search_request
from soutu.domain.embedding import Vectors
from soutu.v1.search_pb2 import SearchResponse

TITLE = "Search by vector against the engine called directly"
DIMENSION = 512


def run(scale: Scale) -> list[Row]:
    """One caller, a new vector each call; the engine alone before and after it."""
    work = Workload.drawn(scale.vectors, DIMENSION, scale.vector_queries)
    data = vector_store(projection_folder(), work.stored)
    before = engine_ms(data, work.queries)
    outcome = served(data, work.queries)
    engine = float(np.mean([before, engine_ms(data, work.queries)]))
    service = outcome.latency_ms(50)
    stored = f"{scale.vectors:,} x {DIMENSION} stored"
    return [
        Row("through gRPC beyond the engine, median", service - engine, "ms", "<= 2", stored),
        Row("through gRPC, median", service, "ms", remark=stored),
        Row("through gRPC, p99", outcome.latency_ms(99), "ms", remark=stored),
        Row("engine called directly, median", engine, "ms", remark=f"{DEFAULT_CANDIDATES} candidates"),
        Row(f"recall@{LIMIT}", recall(outcome.replies, work), "", ">= 0.98", "default parameters"),
        Row("calls that failed", len(outcome.errors), "calls", "0"),
    ]


def served(data: Path, queries: Vectors) -> Outcome:
    """The answers in the order of `queries`."""
    requests = [search_request(COLLECTION, query, page_size=LIMIT) for query in queries]
    with serving(data) as server:
        first_answer(server.address, requests[0])
        asked = [request.SerializeToString() for request in requests]
        return driven(Load(server.address, asked, len(asked), concurrency=1, channels=1, warm_up=50))


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


def recall(replies: Sequence[bytes], work: Workload) -> float:
    """The share of the exact nearest that the answers hold."""
    exact = np.argsort(-(work.queries @ work.stored.T), axis=1)[:, :LIMIT]
    shared = 0
    for reply, rows in zip(replies, exact, strict=True):
        found = {match.name.rsplit("/", 1)[1] for match in SearchResponse.FromString(reply).matches}
        shared += len(found & {f"v{row}" for row in rows})
    return shared / exact.size

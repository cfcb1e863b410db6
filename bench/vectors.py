"""Vector search measured: the port against the engine called directly, recall, and where HNSW pays.

    python -m bench.vectors [--count 50000] [--dimension 512] [--queries 300] [--threshold]

Prints one table. Data: a seeded mixture of Gaussians of rank 48, a new query vector for each call.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import qdrant_edge as edge

from soutu.adapters.vectors.edge_plan import DEFAULT_CANDIDATES
from soutu.adapters.vectors.exact import ExactIndex
from soutu.adapters.vectors.qdrant_edge import QdrantEdgeIndex
from soutu.domain.collection import IndexSpec, IndexType
from soutu.domain.embedding import Vector, Vectors
from soutu.ports import VectorIndex
from tests.contract.vectors import mixture, points

LIMIT = 10
BATCH = 500
THRESHOLD_COUNTS = (1_000, 2_000, 5_000, 10_000, 20_000)


@dataclass(frozen=True)
class Workload:
    """`stored` float32 (n, dimension) and `queries` float32 (q, dimension), from the same mixture."""

    stored: Vectors
    queries: Vectors

    @classmethod
    def drawn(cls, count: int, dimension: int, queries: int) -> "Workload":
        """Of `count` stored vectors and as many queries as asked."""
        vectors = mixture(count + queries, dimension)
        return cls(vectors[:count], vectors[count:])


def report(what: str, value: float, unit: str) -> None:
    print(f"{what:<52}{value:>10.3f} {unit}", flush=True)


@contextmanager
def timed(what: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    report(what, time.perf_counter() - started, "s")


async def median_ms(search: Callable[[Vector], Awaitable[object]], queries: Vectors) -> float:
    durations = []
    for query in queries:
        started = time.perf_counter()
        await search(query)
        durations.append(time.perf_counter() - started)
    return float(np.median(durations)) * 1e3


async def fill(index: VectorIndex, stored: Vectors, spec: IndexSpec) -> None:
    await index.open(1, stored.shape[1], spec)
    for first in range(0, len(stored), BATCH):
        await index.write(1, points(stored[first : first + BATCH], first_uid=first + 1), [])


async def recall(index: VectorIndex, oracle: VectorIndex, queries: Vectors, candidates: int) -> float:
    found = await index.nearest(1, queries, LIMIT, candidates=candidates)
    true = await oracle.nearest(1, queries, LIMIT)
    shared = [len({c.uid for c in a} & {c.uid for c in b}) for a, b in zip(found, true, strict=True)]
    return sum(shared) / (LIMIT * len(queries))


def directly(shard: edge.EdgeShard, candidates: int) -> Callable[[Vector], Awaitable[object]]:
    """The engine's own search on the loop's thread, as lean as it can be called."""

    async def search(query: Vector) -> object:
        request = edge.QueryRequest(
            limit=LIMIT,
            query=edge.Query.Nearest(query.tolist()),
            with_payload=["revision"],
            params=edge.SearchParams(hnsw_ef=candidates),
        )
        return [(point.id, point.score, point.payload) for point in shard.query(request)]

    return search


def through_port(index: VectorIndex, candidates: int = 0) -> Callable[[Vector], Awaitable[object]]:
    return lambda query: index.nearest(1, query[None, :], LIMIT, candidates=candidates)


async def measure_service(directory: Path, work: Workload) -> None:
    """Writes, graph, latency at several candidate sizes, recall, and the life cycle."""
    index, oracle = QdrantEdgeIndex(directory, threads=2), ExactIndex()
    await fill(oracle, work.stored, IndexSpec())
    with timed("write all, 500 a call"):
        await fill(index, work.stored, IndexSpec())
    with timed("persist"):
        await index.persist(1)
    with timed("optimize"):
        await index.optimize(1)
    for candidates in (32, 64, DEFAULT_CANDIDATES, 256):
        report(
            f"recall@10, {candidates} candidates", await recall(index, oracle, work.queries, candidates), ""
        )
        report("  median", await median_ms(through_port(index, candidates), work.queries), "ms")
    with timed("16 vectors in one call"):
        await index.nearest(1, work.queries[:16], LIMIT)
    await measure_writes(index, work)
    with timed("close and seal"):
        await index.close()
    with timed("open, seal verified"):
        index = QdrantEdgeIndex(directory, threads=2)
        await index.open(1, work.stored.shape[1], IndexSpec())
    await index.close()


async def measure_writes(index: VectorIndex, work: Workload) -> None:
    durations = []
    for row in range(30):
        started = time.perf_counter()
        await index.write(1, points(work.stored[row : row + 1], first_uid=row + 1), [])
        await index.persist(1)
        durations.append(time.perf_counter() - started)
    report("write one and persist, median", float(np.median(durations)) * 1e3, "ms")


async def measure_directly(directory: Path, work: Workload) -> None:
    """The same folder opened by the engine alone, then through the port, back and forth: so the order of
    measuring and the state of the machine favour neither."""
    medians: dict[str, list[float]] = {"engine": [], "port": []}
    for _ in range(3):
        shard = edge.EdgeShard.load(str(directory / "1" / "shard"))
        await median_ms(directly(shard, DEFAULT_CANDIDATES), work.queries)
        medians["engine"].append(await median_ms(directly(shard, DEFAULT_CANDIDATES), work.queries))
        shard.close()
        index = QdrantEdgeIndex(directory, threads=2)
        await index.open(1, work.stored.shape[1], IndexSpec())
        await median_ms(through_port(index), work.queries)
        medians["port"].append(await median_ms(through_port(index), work.queries))
        await index.close()
    for name, values in medians.items():
        report(f"median through the {name}, {DEFAULT_CANDIDATES} candidates", float(np.median(values)), "ms")


async def measure_threshold(dimension: int, queries: int) -> None:
    """Exact scan against HNSW at sizes where either may win."""
    for count in THRESHOLD_COUNTS:
        work = Workload.drawn(count, dimension, queries)
        for kind, flat_below in ((IndexType.FLAT, count), (IndexType.HNSW, 1)):
            with TemporaryDirectory() as directory:
                index = QdrantEdgeIndex(Path(directory), threads=2, flat_below=flat_below)
                await fill(index, work.stored, IndexSpec(kind))
                await index.optimize(1)
                await median_ms(through_port(index), work.queries)
                report(f"{count} stored, {kind}", await median_ms(through_port(index), work.queries), "ms")
                await index.close()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=50_000)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--threshold", action="store_true", help="measure where HNSW overtakes the scan")
    chosen = parser.parse_args()
    if chosen.threshold:
        await measure_threshold(chosen.dimension, chosen.queries)
        return
    work = Workload.drawn(chosen.count, chosen.dimension, chosen.queries)
    with TemporaryDirectory() as directory:
        await measure_service(Path(directory), work)
        await measure_directly(Path(directory), work)


if __name__ == "__main__":
    asyncio.run(main())

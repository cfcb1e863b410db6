"""What Qdrant Edge adds to the port's promises: it is on disk, and it has a graph."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from soutu.adapters.vectors.exact import ExactIndex
from soutu.adapters.vectors.qdrant_edge import QdrantEdgeIndex
from soutu.domain.collection import IndexSpec, IndexType
from soutu.domain.embedding import Vectors
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.query import Point
from tests.contract.vectors import mixture, points, unit_vectors

DIMENSION = 16
VECTORS = unit_vectors(400, DIMENSION)
ROOT = Path(__file__).parents[4]
SLOW = pytest.mark.slow


@pytest_asyncio.fixture
async def filled(tmp_path: Path) -> AsyncIterator[Path]:
    """The directory of an index with 400 points in generation 1, half of them in a graph, closed in order."""
    index = QdrantEdgeIndex(tmp_path, threads=2, flat_below=100)
    await index.open(1, DIMENSION, IndexSpec())
    await index.write(1, points(VECTORS[:200]), [])
    await index.optimize(1)
    await index.write(1, points(VECTORS[200:], first_uid=201), [])
    await index.close()
    yield tmp_path


async def reopened(directory: Path, dimension: int = DIMENSION) -> tuple[QdrantEdgeIndex, bool]:
    index = QdrantEdgeIndex(directory, threads=2, flat_below=100)
    return index, await index.open(1, dimension, IndexSpec())


async def assert_works_from_new(directory: Path) -> None:
    index, kept = await reopened(directory)
    assert kept is False
    await index.write(1, points(VECTORS), [])
    (found,) = await index.nearest(1, VECTORS[:1], 3)
    assert found[0].uid == 1
    await index.close()


async def test_reopening_keeps_everything(filled: Path) -> None:
    index, kept = await reopened(filled)
    assert kept is True
    assert await index.entries(1, 0, 1_000) == [(uid, 1) for uid in range(1, 401)]
    (found,) = await index.nearest(1, VECTORS[300:301], 1)
    assert found[0].uid == 301
    await index.close()


def truncate(path: Path) -> None:
    path.write_bytes(b"")


def garble(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[:64] = np.random.default_rng(1).bytes(min(64, len(content)))
    path.write_bytes(content)


KINDS = [
    "edge_config.json",
    "segments/*/segment.json",
    "segments/*/version.info",
    "segments/*/vector_index/graph.bin",
    "segments/*/vector_index/links_compressed.bin",
    "segments/*/vector_storage/matrix.dat",
    "segments/*/vector_storage/vectors/chunk_0.mmap",
    "segments/*/id_tracker.mappings",
    "segments/*/payload_storage/page_0.dat",
    "segments/*/payload_storage/tracker.dat",
]


@pytest.mark.parametrize(
    "damage", [Path.unlink, pytest.param(truncate, marks=SLOW), pytest.param(garble, marks=SLOW)]
)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_damaged_index_is_set_aside_and_starts_anew(
    filled: Path, kind: str, damage: Callable[[Path], None]
) -> None:
    damage(next((filled / "1" / "shard").glob(kind)))
    await assert_works_from_new(filled)
    assert sorted(path.name for path in filled.iterdir()) == ["1", "damaged-1-1"]


# What the engine itself opens without complaint although points or vectors are lost.
SILENT = [
    ("segments/*/vector_storage/matrix.dat", Path.unlink),
    ("segments/*/vector_storage/vectors/chunk_0.mmap", truncate),
    ("segments/*/payload_storage/page_0.dat", truncate),
]


@pytest.mark.parametrize(("kind", "damage"), SILENT)
async def test_damage_after_a_kill_is_found_by_reading_through(
    filled: Path, kind: str, damage: Callable[[Path], None]
) -> None:
    (filled / "1" / "seal.json").unlink()
    damage(next((filled / "1" / "shard").glob(kind)))
    await assert_works_from_new(filled)


async def test_files_that_vanish_under_an_open_index_are_noticed_by_the_next_write(filled: Path) -> None:
    index, _ = await reopened(filled)
    shutil.rmtree(filled / "1")
    with pytest.raises(SoutuError) as lost:
        await write_and_persist(index)
    assert lost.value.reason is Reason.INDEX_UNREADY
    assert await index.open(1, DIMENSION, IndexSpec()) is False
    await write_and_persist(index)
    assert await index.count(1) == 5
    await index.close()


async def write_and_persist(index: QdrantEdgeIndex) -> None:
    await index.write(1, points(VECTORS[:5]), [])
    await index.persist(1)


async def test_another_dimension_is_an_index_that_cannot_be_used(filled: Path) -> None:
    index, kept = await reopened(filled, DIMENSION + 1)
    assert kept is False
    await index.close()


async def test_a_generation_that_is_a_file_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "1").write_text("not a folder")
    await assert_works_from_new(tmp_path)


async def test_only_the_last_damaged_index_is_kept(filled: Path) -> None:
    for _ in range(3):
        truncate(filled / "1" / "shard" / "edge_config.json")
        await assert_works_from_new(filled)
    assert sorted(path.name for path in filled.iterdir()) == ["1", "damaged-1-3"]


async def test_dropping_leaves_no_files_of_the_generation(filled: Path) -> None:
    truncate(filled / "1" / "shard" / "edge_config.json")
    await assert_works_from_new(filled)
    index = QdrantEdgeIndex(filled, threads=2)
    await index.drop(1)
    assert list(filled.iterdir()) == []
    await index.close()


async def test_what_a_crash_left_half_made_or_half_removed_is_swept(filled: Path) -> None:
    for name in ("fresh-1", "dropped-5"):
        (filled / name).mkdir()
        (filled / name / "part").write_text("")
    index, kept = await reopened(filled)
    assert kept is True
    assert [path.name for path in filled.iterdir()] == ["1"]
    await index.close()


async def test_a_second_process_is_refused_and_harms_nothing(filled: Path) -> None:
    first, _ = await reopened(filled)
    second = QdrantEdgeIndex(filled, threads=1)
    with pytest.raises(SoutuError, match="another process") as raised:
        await second.open(1, DIMENSION, IndexSpec())
    assert raised.value.reason is Reason.INDEX_UNAVAILABLE
    assert await first.count(1) == 400
    await second.close()
    await first.close()


async def test_a_directory_that_cannot_be_made_is_unavailable_with_its_cause(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    index = QdrantEdgeIndex(tmp_path / "file", threads=1)
    with pytest.raises(SoutuError) as raised:
        await index.open(1, DIMENSION, IndexSpec())
    assert raised.value.reason is Reason.INDEX_UNAVAILABLE
    assert isinstance(raised.value.__cause__, OSError)
    await index.close()


WRITER = """
import asyncio, sys
from pathlib import Path
from soutu.adapters.vectors.qdrant_edge import QdrantEdgeIndex
from soutu.domain.collection import IndexSpec
from soutu.domain.query import Point
from tests.contract.vectors import points, unit_vectors

async def main():
    index = QdrantEdgeIndex(Path(sys.argv[1]), threads=2, flat_below=100)
    await index.open(1, 16, IndexSpec())
    vectors = unit_vectors(20, 16)
    for batch in range(10_000):
        await index.write(1, points(vectors, first_uid=1 + 20 * batch), [])
        if batch % 20 == 10:
            asyncio.create_task(index.optimize(1))
        print(20 * (batch + 1), flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("batches", [3, 40, pytest.param(90, marks=SLOW)])
async def test_every_write_that_returned_survives_kill_9(tmp_path: Path, batches: int) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT / 'service'}:{ROOT}"},
    )
    assert child.stdout is not None
    acknowledged = [int(child.stdout.readline()) for _ in range(batches)][-1]
    child.kill()
    acknowledged = max([acknowledged, *map(int, child.stdout.read().split())])
    child.stdout.close()
    child.wait()
    index, kept = await reopened(tmp_path)
    assert kept is True
    written = {uid for uid, _ in await index.entries(1, 0, 1_000_000)}
    assert set(range(1, acknowledged + 1)) <= written
    await index.close()


async def test_closing_waits_for_optimize_and_keeps_all(tmp_path: Path) -> None:
    index = QdrantEdgeIndex(tmp_path, threads=2, flat_below=100)
    await index.open(1, DIMENSION, IndexSpec())
    await index.write(1, points(unit_vectors(3_000, DIMENSION)), [])
    optimizing = asyncio.create_task(index.optimize(1))
    await asyncio.sleep(0.01)
    await index.close()
    await asyncio.gather(optimizing, return_exceptions=True)
    index, kept = await reopened(tmp_path)
    assert kept is True
    assert await index.count(1) == 3_000
    await index.close()


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (IndexSpec(IndexType.DISKANN), "index.type"),
        (IndexSpec(IndexType.IVF_PQ), "index.type"),
        (IndexSpec(IndexType.HNSW, {"nlist": 4}), "index.parameters"),
        (IndexSpec(IndexType.HNSW, {"m": 1}), "index.parameters"),
        (IndexSpec(IndexType.FLAT, {"m": 16}), "index.parameters"),
    ],
)
async def test_what_it_cannot_build_is_refused_by_field(tmp_path: Path, spec: IndexSpec, field: str) -> None:
    index = QdrantEdgeIndex(tmp_path, threads=1)
    with pytest.raises(SoutuError) as raised:
        await index.open(1, DIMENSION, spec)
    assert (raised.value.reason, raised.value.metadata["field"]) == (Reason.FIELD_INVALID, field)
    await index.close()


async def recall_at_10(index: QdrantEdgeIndex, oracle: ExactIndex, queries: Vectors) -> float:
    found = await index.nearest(1, queries, 10)
    true = await oracle.nearest(1, queries, 10)
    hits = [len({c.uid for c in a} & {c.uid for c in b}) for a, b in zip(found, true, strict=True)]
    return sum(hits) / (10 * len(queries))


@SLOW
async def test_the_graph_recalls_nearly_all_at_the_defaults(tmp_path: Path) -> None:
    index, oracle = QdrantEdgeIndex(tmp_path, threads=2), ExactIndex()
    vectors = mixture(20_200, 64)
    for each in (index, oracle):
        await each.open(1, 64, IndexSpec())
        await each.write(1, points(vectors[:20_000]), [])
    await index.optimize(1)
    assert await recall_at_10(index, oracle, vectors[20_000:]) >= 0.95
    await index.write(1, points(vectors[20_000:], first_uid=90_001), [])
    (found,) = await index.nearest(1, vectors[20_000:20_001], 1)
    assert found[0].uid == 90_001  # written after optimize(): not in the graph, found all the same
    await index.close()


@SLOW
async def test_a_flat_index_is_exact_at_any_size(tmp_path: Path) -> None:
    index, oracle = QdrantEdgeIndex(tmp_path, threads=2), ExactIndex()
    vectors = mixture(20_100, 64)
    for each in (index, oracle):
        await each.open(1, 64, IndexSpec(IndexType.FLAT))
        await each.write(1, points(vectors[:20_000]), [])
    await index.optimize(1)
    assert await recall_at_10(index, oracle, vectors[20_000:]) >= 0.999
    await index.close()


async def missed(index: QdrantEdgeIndex, vectors: Vectors, rows: list[int]) -> int:
    found = await index.nearest(1, vectors[rows], 3)
    return sum(row + 1 not in [c.uid for c in near] for row, near in zip(rows, found, strict=True))


async def test_a_graph_full_of_holes_misses_nothing(tmp_path: Path) -> None:
    """The engine alone misses 149 of the 150 points that are still in the graph here."""
    vectors = mixture(3_000, DIMENSION)
    rows = [int(row) for row in np.random.default_rng(1).permutation(len(vectors))]
    index, _ = await reopened(tmp_path)
    await index.write(1, points(vectors), [])
    await index.optimize(1)
    await index.write(1, [Point(row + 1, 2, vectors[row]) for row in rows[:2_850]], [])
    assert await missed(index, vectors, rows) == 0
    await index.close()
    index, _ = await reopened(tmp_path)
    assert await missed(index, vectors, rows) == 0
    await index.optimize(1)
    assert await missed(index, vectors, rows) <= 3  # by the graph again
    await index.close()

"""What ports.VectorIndex promises, of every adapter: those in the process, and Milvus on a real server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from soutu.adapters.vectors.exact import ExactIndex
from soutu.adapters.vectors.qdrant_edge import QdrantEdgeIndex
from soutu.domain.collection import IndexSpec
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.query import Candidate, Point
from soutu.ports import VectorIndex
from tests.contract.milvus import TestedMilvus
from tests.contract.vectors import points, unit_vectors

DIMENSION = 8
GENERATION = 7
VECTORS = unit_vectors(40, DIMENSION)
Make = Callable[[Path], VectorIndex]
ADAPTERS: dict[str, Make] = {
    "exact": lambda _: ExactIndex(),
    "qdrant_edge": lambda directory: QdrantEdgeIndex(directory, threads=2),
}


NAMES = [*ADAPTERS, pytest.param("milvus", marks=pytest.mark.slow)]


@pytest.fixture(params=NAMES)
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    yield from making(request, request.param)


def making(request: pytest.FixtureRequest, name: str) -> Iterator[Make]:
    if name != "milvus":
        yield ADAPTERS[name]
        return
    milvus: TestedMilvus = request.getfixturevalue("milvus")
    yield lambda _: milvus.index()
    milvus.clear()


@pytest_asyncio.fixture
async def index(make: Make, tmp_path: Path) -> AsyncIterator[VectorIndex]:
    index = make(tmp_path)
    await index.open(GENERATION, DIMENSION, IndexSpec())
    yield index
    await index.close()


def uids(found: list[Candidate]) -> list[int]:
    return [candidate.uid for candidate in found]


async def nearest_to(index: VectorIndex, row: int, limit: int) -> list[Candidate]:
    (found,) = await index.nearest(GENERATION, VECTORS[row : row + 1], limit)
    return list(found)


async def test_a_new_generation_is_empty_and_says_so(make: Make, tmp_path: Path) -> None:
    index = make(tmp_path)
    assert await index.open(GENERATION, DIMENSION, IndexSpec()) is False
    assert await index.count(GENERATION) == 0
    assert await index.entries(GENERATION, 0, 10) == []
    assert await nearest_to(index, 0, 3) == []
    await index.close()


async def test_opening_an_open_generation_changes_nothing(index: VectorIndex) -> None:
    assert await index.open(GENERATION, DIMENSION, IndexSpec()) is False
    await index.write(GENERATION, points(VECTORS), [])
    assert await index.open(GENERATION, DIMENSION, IndexSpec()) is True
    assert await index.count(GENERATION) == len(VECTORS)


async def test_a_written_point_is_found_with_its_score_and_revision(index: VectorIndex) -> None:
    await index.write(GENERATION, points(VECTORS, revision=5), [])
    (found,) = await nearest_to(index, 3, 1)
    assert (found.uid, found.revision) == (4, 5)
    assert found.score == pytest.approx(float(VECTORS[3] @ VECTORS[3]), abs=1e-5)


async def test_nearest_are_the_best_inner_products_best_first(index: VectorIndex) -> None:
    await index.write(GENERATION, points(VECTORS), [])
    found = await nearest_to(index, 0, 10)
    scores = VECTORS @ VECTORS[0]
    assert uids(found) == [int(row) + 1 for row in np.argsort(-scores)[:10]]
    assert [candidate.score for candidate in found] == pytest.approx(sorted(scores)[:-11:-1], abs=1e-5)


@pytest.mark.parametrize("limit", [1, 3, 7, 8, 30])
async def test_equal_scores_come_by_uid_even_across_the_limit(index: VectorIndex, limit: int) -> None:
    shuffled = np.random.default_rng(1).permutation(np.arange(100, 120))
    same = [Point(int(uid), 1, VECTORS[0]) for uid in shuffled]
    await index.write(GENERATION, [*points(VECTORS[1:], first_uid=500), *same], [])
    assert uids(await nearest_to(index, 0, limit))[:20] == list(range(100, min(100 + limit, 120)))


async def test_each_vector_of_a_batch_gets_its_own_answer(index: VectorIndex) -> None:
    await index.write(GENERATION, points(VECTORS), [])
    together = await index.nearest(GENERATION, VECTORS[:9], 5)
    assert [list(found) for found in together] == [await nearest_to(index, row, 5) for row in range(9)]


async def test_a_batch_of_none_gets_no_answer(index: VectorIndex) -> None:
    assert list(await index.nearest(GENERATION, VECTORS[:0], 5)) == []


async def test_a_limit_beyond_the_count_returns_all(index: VectorIndex) -> None:
    await index.write(GENERATION, points(VECTORS), [])
    assert len(await nearest_to(index, 0, 1_000)) == len(VECTORS)


async def test_a_limit_of_zero_returns_none(index: VectorIndex) -> None:
    await index.write(GENERATION, points(VECTORS), [])
    assert await nearest_to(index, 0, 0) == []


async def test_overwriting_replaces_vector_and_revision(index: VectorIndex) -> None:
    await index.write(GENERATION, points(VECTORS), [])
    await index.write(GENERATION, [Point(1, 9, VECTORS[1])], [])
    assert await index.count(GENERATION) == len(VECTORS)
    assert (await index.entries(GENERATION, 0, 1)) == [(1, 9)]
    assert uids(await nearest_to(index, 1, 2)) == [1, 2]
    assert uids(await nearest_to(index, 0, 1)) != [1]


async def test_the_last_point_of_a_uid_in_one_write_wins(index: VectorIndex) -> None:
    await index.write(GENERATION, [Point(1, 1, VECTORS[0]), Point(1, 2, VECTORS[1])], [])
    assert await index.entries(GENERATION, 0, 10) == [(1, 2)]


async def test_the_gone_are_forgotten(index: VectorIndex) -> None:
    await index.write(GENERATION, points(VECTORS), [])
    await index.write(GENERATION, [], [1, 2, 999])
    assert await index.count(GENERATION) == len(VECTORS) - 2
    assert not {1, 2} & set(uids(await nearest_to(index, 0, 100)))


async def test_entries_are_paged_by_uid(index: VectorIndex) -> None:
    scattered = [Point(uid, uid % 3, VECTORS[0]) for uid in (2**40, 5, 1_000, 1, 70)]
    await index.write(GENERATION, scattered, [])
    first = list(await index.entries(GENERATION, 0, 2))
    second = list(await index.entries(GENERATION, first[-1][0], 2))
    third = list(await index.entries(GENERATION, second[-1][0], 2))
    assert [first, second, third] == [[(1, 1), (5, 2)], [(70, 1), (1_000, 1)], [(2**40, 2**40 % 3)]]


async def test_fields_of_every_attribute_type_are_taken(index: VectorIndex) -> None:
    fields: dict[str, object] = {
        "title": "Zürich 搜图",
        "rating": 2**62,
        "weight": 0.5,
        "odd": float("nan"),
        "flag": True,
        "taken": datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        "tags": ("a", "b"),
        "none": None,
    }
    await index.write(GENERATION, [Point(1, 1, VECTORS[0], fields)], [])
    assert await index.entries(GENERATION, 0, 10) == [(1, 1)]


async def test_generations_do_not_mix(index: VectorIndex) -> None:
    await index.open(8, 4, IndexSpec())
    await index.write(GENERATION, points(VECTORS), [])
    await index.write(8, points(unit_vectors(3, 4)), [])
    assert (await index.count(GENERATION), await index.count(8)) == (len(VECTORS), 3)


async def test_a_wrong_dimension_is_refused_and_nothing_written(index: VectorIndex) -> None:
    bad = Point(2, 1, unit_vectors(1, DIMENSION + 1)[0])
    with pytest.raises(SoutuError) as raised:
        await index.write(GENERATION, [Point(1, 1, VECTORS[0]), bad], [])
    assert raised.value.reason is Reason.VECTOR_INVALID
    with pytest.raises(SoutuError) as raised:
        await index.nearest(GENERATION, unit_vectors(1, DIMENSION + 1), 1)
    assert raised.value.reason is Reason.VECTOR_INVALID
    assert await index.count(GENERATION) == 0


@pytest.mark.parametrize("call", ["write", "persist", "nearest", "entries", "count", "optimize"])
async def test_a_generation_that_is_not_open_is_unready(index: VectorIndex, call: str) -> None:
    await index.drop(99)
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "write": lambda: index.write(99, points(VECTORS), []),
        "persist": lambda: index.persist(99),
        "nearest": lambda: index.nearest(99, VECTORS, 1),
        "entries": lambda: index.entries(99, 0, 1),
        "count": lambda: index.count(99),
        "optimize": lambda: index.optimize(99),
    }
    with pytest.raises(SoutuError) as raised:
        await calls[call]()
    assert raised.value.reason is Reason.INDEX_UNREADY


async def test_what_is_kept_is_told_by_generation(index: VectorIndex) -> None:
    await index.open(30, DIMENSION, IndexSpec())
    await index.open(4, DIMENSION, IndexSpec())
    assert await index.kept() == [4, GENERATION, 30]
    await index.drop(4)
    assert await index.kept() == [GENERATION, 30]


async def test_a_dropped_generation_opens_empty(index: VectorIndex) -> None:
    await index.write(GENERATION, points(VECTORS), [])
    await index.persist(GENERATION)
    await index.drop(GENERATION)
    with pytest.raises(SoutuError) as raised:
        await index.count(GENERATION)
    assert raised.value.reason is Reason.INDEX_UNREADY
    assert await index.open(GENERATION, DIMENSION + 1, IndexSpec()) is False
    assert await index.count(GENERATION) == 0


async def test_optimizing_changes_no_answer(index: VectorIndex) -> None:
    await index.write(GENERATION, points(VECTORS), [])
    before = await nearest_to(index, 0, 10)
    await index.optimize(GENERATION)
    await index.persist(GENERATION)
    assert await nearest_to(index, 0, 10) == before


async def test_searches_beside_writes_find_what_stays(index: VectorIndex) -> None:
    await index.write(GENERATION, points(VECTORS), [])
    others = unit_vectors(200, DIMENSION, seed=3)

    async def rewrite() -> None:
        for revision in range(20):
            await index.write(GENERATION, points(others, first_uid=1_000, revision=revision), [])
            await index.write(GENERATION, [], range(1_000, 1_100))

    writing = asyncio.create_task(rewrite())
    searches = 0
    while not writing.done():
        (found,) = await index.nearest(GENERATION, VECTORS[:1], 1)
        assert found[0].uid == 1
        searches += 1
    await writing
    assert searches > 0
    assert await index.count(GENERATION) == len(VECTORS) + 100


async def test_a_search_that_is_given_up_leaves_the_index_working(index: VectorIndex) -> None:
    await index.write(GENERATION, points(VECTORS), [])
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(index.nearest(GENERATION, VECTORS, 10), 0)
    assert uids(await nearest_to(index, 0, 1)) == [1]


async def test_writes_take_effect_in_the_order_of_calls_even_if_given_up(index: VectorIndex) -> None:
    for revision in range(1, 30):
        given_up = asyncio.create_task(index.write(GENERATION, [Point(1, revision, VECTORS[0])], []))
        await asyncio.sleep(0)
        given_up.cancel()
    await index.write(GENERATION, [Point(1, 30, VECTORS[0])], [])
    assert await index.entries(GENERATION, 0, 10) == [(1, 30)]


Step = tuple[dict[int, int], list[int]]  # what a write puts (uid -> row of VECTORS) and forgets
STEPS = st.lists(
    st.tuples(
        st.dictionaries(st.integers(1, 12), st.integers(0, len(VECTORS) - 1), max_size=6),
        st.lists(st.integers(1, 12), max_size=4),
    ),
    max_size=8,
)


def test_any_sequence_of_writes_leaves_what_a_dictionary_would_hold(
    make: Make, request: pytest.FixtureRequest
) -> None:
    @settings(max_examples=5 if "milvus" in request.node.name else 25, deadline=None)
    @given(steps=STEPS)
    def holds(steps: list[Step]) -> None:
        with TemporaryDirectory() as directory:
            asyncio.run(_agrees_with_a_dictionary(make(Path(directory)), steps))

    holds()


async def _agrees_with_a_dictionary(index: VectorIndex, steps: list[Step]) -> None:
    model: dict[int, tuple[int, int]] = {}
    await index.open(GENERATION, DIMENSION, IndexSpec())
    for revision, (put, gone) in enumerate(steps):
        await index.write(GENERATION, [Point(uid, revision, VECTORS[row]) for uid, row in put.items()], gone)
        model.update({uid: (revision, row) for uid, row in put.items()})
        for uid in gone:
            model.pop(uid, None)
    assert await index.entries(GENERATION, 0, 100) == [(uid, model[uid][0]) for uid in sorted(model)]
    ranked = sorted(model, key=lambda uid: (-float(VECTORS[model[uid][1]] @ VECTORS[0]), uid))
    assert uids(await nearest_to(index, 0, 5)) == ranked[:5]
    await index.close()

"""Filtered searches at every selectivity, of every vector index and of the story above it."""

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray

from soutu.adapters.vectors.exact import ExactIndex
from soutu.adapters.vectors.qdrant_edge import QdrantEdgeIndex
from soutu.domain.collection import AttributeType, IndexSpec
from soutu.domain.filter import And, Compares, Direction, Equals, Field, Filter, Not
from soutu.domain.query import Point, Scope
from soutu.ports import VectorIndex
from tests.contract.milvus import TestedMilvus
from tests.contract.vectors import mixture

STORED, ASKED, DIMENSION, LIMIT = 20_000, 40, 48, 10
SHARES = (1 / 10_000, 1 / 1_000, 0.01, 0.1, 0.25, 0.3, 0.5, 0.75, 0.95, 1.0)
VECTORS = mixture(STORED + ASKED, DIMENSION)
QUERIES = VECTORS[STORED:]
SCATTERED, ALIKE = (Field(f"attributes.{name}", AttributeType.INTEGER) for name in ("scattered", "alike"))
GROUP = Field("category", AttributeType.STRING)


def ranks() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A random rank of each row, and one along a direction: rows of neighbouring ranks are alike."""
    random = np.random.default_rng(2)
    along = VECTORS[:STORED] @ random.standard_normal(DIMENSION)
    return random.permutation(STORED), np.argsort(np.argsort(along))


def described() -> list[Point]:
    scattered, alike = ranks()
    return [
        Point(
            row + 1,
            1,
            VECTORS[row],
            {SCATTERED.name: int(scattered[row]), ALIKE.name: int(alike[row]), GROUP.name: f"g{row % 7}"},
        )
        for row in range(STORED)
    ]


async def filled(index: VectorIndex) -> VectorIndex:
    points = described()
    await index.open(1, DIMENSION, IndexSpec())
    for first in range(0, STORED, 1_000):
        await index.write(1, points[first : first + 1_000], [])
    await index.optimize(1)
    return index


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["qdrant_edge", "milvus"])
async def indexes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[VectorIndex, VectorIndex]]:
    """An engine with its graph built, and the oracle."""
    engine = await filled(_engine(request, tmp_path_factory.mktemp("index")))
    exact = await filled(ExactIndex())
    yield engine, exact
    await engine.drop(1)
    await engine.close()


def _engine(request: pytest.FixtureRequest, directory: Path) -> VectorIndex:
    if request.param == "qdrant_edge":
        return QdrantEdgeIndex(directory, threads=2, flat_below=500)
    milvus: TestedMilvus = request.getfixturevalue("milvus")
    return milvus.index()


def below(field: Field, share: float) -> Filter:
    return Compares(field, Direction.LESS, max(int(STORED * share), 1))


FILTERS: dict[str, Filter] = {
    **{f"{share:.2%} {field.name}": below(field, share) for share in SHARES for field in (SCATTERED, ALIKE)},
    "a word": Equals(GROUP, "g3"),
    "all but a word": Not(Equals(GROUP, "g3")),
    "a word and a rank": And((Equals(GROUP, "g3"), below(ALIKE, 0.3))),
    "nothing": Equals(GROUP, "g9"),
}


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", FILTERS)
async def test_a_filtered_search_finds_what_there_is(
    indexes: tuple[VectorIndex, VectorIndex], name: str
) -> None:
    """As many as there are up to the limit, and .98 of the true ones."""
    index, oracle = indexes
    scope = Scope(FILTERS[name])
    found = [(await index.nearest(1, query[None], LIMIT, scope=scope))[0] for query in QUERIES]
    true = await oracle.nearest(1, QUERIES, LIMIT, scope=scope)
    assert [len(each) for each in found] == [len(each) for each in true]
    pairs = list(zip(found, true, strict=True))
    shared = sum(len({one.uid for one in a} & {one.uid for one in b}) for a, b in pairs)
    assert shared >= 0.98 * sum(map(len, true))


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("share", [1 / 1_000, 0.3, 1.0])
async def test_an_exact_search_finds_all_of_the_true_ones(
    indexes: tuple[VectorIndex, VectorIndex], share: float
) -> None:
    index, oracle = indexes
    filter_ = below(ALIKE, share)
    found = await index.nearest(1, QUERIES, LIMIT, scope=Scope(filter_, exact=True))
    true = await oracle.nearest(1, QUERIES, LIMIT, scope=Scope(filter_))
    assert [[one.uid for one in each] for each in found] == [[one.uid for one in each] for each in true]


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
async def test_only_the_uids_that_are_named_are_looked_at(
    indexes: tuple[VectorIndex, VectorIndex],
) -> None:
    uids = frozenset(range(1, STORED, 4))
    for index in indexes:
        (found,) = await index.nearest(1, QUERIES[:1], 5_000, scope=Scope(uids=uids))
        assert {each.uid for each in found} == uids

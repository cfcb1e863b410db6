"""What is particular to Milvus: kinds of index, builds, what it forgets, who else writes to it."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import numpy as np
import pytest
import pytest_asyncio

from soutu.adapters.vectors.exact import ExactIndex
from soutu.adapters.vectors.milvus import MilvusIndex
from soutu.adapters.vectors.milvus_collection import INDEX
from soutu.adapters.vectors.milvus_freshness import SETTLED_S
from soutu.domain.collection import AttributeType, IndexSpec, IndexType
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.filter import Equals, Field
from soutu.domain.query import Candidate, Point, Scope
from tests.contract.milvus import TestedMilvus
from tests.contract.vectors import mixture, points, unit_vectors

pytestmark = pytest.mark.slow
STORED, ASKED, DIMENSION, LIMIT = 3_000, 40, 32, 10
VECTORS = mixture(STORED + ASKED, DIMENSION, rank=16)
QUERIES = VECTORS[STORED:]
GROUP = Field("category", AttributeType.STRING)
# What of the true ten nearest each kind finds, with its usual candidates, and among a third of the points.
KINDS: Mapping[IndexType, tuple[float, float]] = {
    IndexType.FLAT: (1.0, 1.0),
    IndexType.HNSW: (0.98, 0.98),
    IndexType.IVF_FLAT: (0.95, 0.98),
    IndexType.IVF_SQ8: (0.95, 0.98),
    IndexType.IVF_PQ: (0.9, 0.0),
}


@pytest_asyncio.fixture
async def index(milvus: TestedMilvus) -> AsyncIterator[MilvusIndex]:
    index = milvus.index(build_wait_s=60)
    yield index
    for generation in await index.kept():
        await index.drop(generation)
    await index.close()


def stored() -> list[Point]:
    groups = [{GROUP.name: f"g{row % 3}"} for row in range(STORED)]
    return [Point(row + 1, 1, VECTORS[row], fields) for row, fields in enumerate(groups)]


async def filled(index: MilvusIndex, spec: IndexSpec) -> None:
    await index.open(1, DIMENSION, spec)
    await index.write(1, stored(), [])


async def recalls(index: MilvusIndex, scope: Scope) -> tuple[float, float]:
    """The share of the true nearest that is found, and the greatest error of a score."""
    oracle = ExactIndex()
    await oracle.open(1, DIMENSION, IndexSpec())
    await oracle.write(1, stored(), [])
    found = await index.nearest(1, QUERIES, LIMIT, scope=scope)
    true = await oracle.nearest(1, QUERIES, LIMIT, scope=scope)
    assert [len(each) for each in found] == [len(each) for each in true]
    shared = sum(
        len({one.uid for one in a} & {one.uid for one in b}) for a, b in zip(found, true, strict=True)
    )
    errors = [
        abs(each.score - float(VECTORS[each.uid - 1] @ query))
        for query, row in zip(QUERIES, found, strict=True)
        for each in row
    ]
    assert all(float(np.float32(each.score)) == each.score for row in found for each in row)
    return shared / (ASKED * LIMIT), max(errors)


@pytest.mark.parametrize("kind", KINDS, ids=str)
async def test_each_kind_finds_the_nearest_with_their_scores(index: MilvusIndex, kind: IndexType) -> None:
    await filled(index, IndexSpec(kind, {"nlist": 64} if kind.value.startswith("ivf") else {}))
    await index.optimize(1)
    all_of_them, of_a_third = KINDS[kind]
    recall, error = await recalls(index, Scope())
    assert recall >= all_of_them
    assert error < 1e-4
    recall, error = await recalls(index, Scope(Equals(GROUP, "g1")))
    assert recall >= of_a_third
    assert error < 1e-4
    recall, error = await recalls(index, Scope(exact=True))
    assert (recall, error < 1e-5) == (1.0, True)


async def test_the_parameters_of_a_kind_reach_milvus(index: MilvusIndex, milvus: TestedMilvus) -> None:
    await index.open(1, DIMENSION, IndexSpec(IndexType.HNSW, {"m": 24, "ef_construct": 60}))
    await index.open(2, DIMENSION, IndexSpec(IndexType.IVF_PQ, {"nlist": 32, "m": 8, "nbits": 6}))
    await index.open(3, DIMENSION, IndexSpec(IndexType.DISKANN, {"max_degree": 48, "search_list_size": 90}))
    client = milvus.client()
    told = {name.rsplit("_", 1)[1]: client.describe_index(name, INDEX) for name in milvus.collections()}
    client.close()
    assert told["1"].items() >= {"index_type": "HNSW", "M": "24", "efConstruction": "60"}.items()
    assert told["2"].items() >= {"index_type": "IVF_PQ", "nlist": "32", "m": "8", "nbits": "6"}.items()
    diskann = {"index_type": "DISKANN", "max_degree": "48", "search_list_size": "90"}
    assert told["3"].items() >= diskann.items()
    assert {each["metric_type"] for each in told.values()} == {"IP"}


async def test_a_build_that_stands_still_is_an_error_that_says_so(milvus: TestedMilvus) -> None:
    """This Milvus takes a DISKANN index and never builds it; what is stored is found all the same."""
    index = milvus.index(build_wait_s=12)
    await filled(index, IndexSpec(IndexType.DISKANN, candidates=16))
    with pytest.raises(SoutuError) as stuck:
        await index.optimize(1)
    assert stuck.value.reason is Reason.INDEX_UNAVAILABLE
    assert "does not build the DISKANN index" in stuck.value.message
    assert (await recalls(index, Scope()))[0] >= 0.95
    await index.drop(1)
    await index.close()


def by_uid(found: list[Candidate]) -> set[int]:
    return {each.uid for each in found}


@pytest.mark.parametrize("settled_s", [SETTLED_S, -1.0], ids=["at once", "settled"])
async def test_processes_see_what_others_write(
    milvus: TestedMilvus, monkeypatch: pytest.MonkeyPatch, settled_s: float
) -> None:
    monkeypatch.setattr("soutu.adapters.vectors.milvus_freshness.SETTLED_S", settled_s)
    one = milvus.index(prefix="shared")
    other = milvus.index(prefix="shared")
    few = unit_vectors(10, DIMENSION)
    for index in (one, other):
        await index.open(1, DIMENSION, IndexSpec())
    for row in range(len(few)):
        await one.write(1, points(few[row : row + 1], first_uid=row + 1), [])
        (found,) = await other.nearest(1, few[:1], 50)
        assert by_uid(list(found)) == set(range(1, row + 2))
    await other.write(1, [], [1, 2])
    (found,) = await one.nearest(1, few[:1], 50)
    assert by_uid(list(found)) == set(range(3, 11))
    await one.drop(1)
    for index in (one, other):
        await index.close()


async def test_an_unloaded_collection_is_unready_and_loaded_again(
    index: MilvusIndex, milvus: TestedMilvus
) -> None:
    await index.open(1, DIMENSION, IndexSpec())
    await index.write(1, points(VECTORS[:5]), [])
    client = milvus.client()
    for name in milvus.collections():
        client.release_collection(name)
    client.close()
    with pytest.raises(SoutuError) as unready:
        await index.nearest(1, QUERIES[:1], 3)
    assert unready.value.reason is Reason.INDEX_UNREADY
    async with asyncio.timeout(30):
        while not await found_again(index):
            await asyncio.sleep(0.1)
    assert await index.count(1) == 5


async def found_again(index: MilvusIndex) -> bool:
    try:
        (found,) = await index.nearest(1, QUERIES[:1], 3)
    except SoutuError:
        return False
    return len(found) == 3


async def test_a_dropped_collection_is_unready_until_it_is_opened(
    index: MilvusIndex, milvus: TestedMilvus
) -> None:
    await index.open(1, DIMENSION, IndexSpec())
    await index.write(1, points(VECTORS[:5]), [])
    milvus.clear()
    with pytest.raises(SoutuError) as unready:
        await index.nearest(1, QUERIES[:1], 3)
    assert unready.value.reason is Reason.INDEX_UNREADY
    with pytest.raises(SoutuError):
        await index.count(1)
    assert await index.open(1, DIMENSION, IndexSpec()) is False


async def test_a_collection_of_another_dimension_is_made_anew(milvus: TestedMilvus) -> None:
    before, after = milvus.index(prefix="form"), milvus.index(prefix="form")
    await before.open(1, DIMENSION, IndexSpec())
    await before.write(1, points(VECTORS[:5]), [])
    assert await after.open(1, DIMENSION + 1, IndexSpec()) is False
    await after.drop(1)
    for index in (before, after):
        await index.close()


async def test_a_point_with_too_many_fields_is_in_every_scope(index: MilvusIndex) -> None:
    await index.open(1, DIMENSION, IndexSpec())
    many: dict[str, object] = {f"attributes.text_{number}": "搜" * 1_000 for number in range(30)}
    await index.write(1, [Point(1, 1, VECTORS[0], many), Point(2, 1, VECTORS[1], {GROUP.name: "g1"})], [])
    for group, uids in {"g1": {1, 2}, "g2": {1}}.items():
        (found,) = await index.nearest(1, QUERIES[:1], 5, scope=Scope(Equals(GROUP, group)))
        assert by_uid(list(found)) == uids


async def test_the_ids_of_images_are_kept(index: MilvusIndex) -> None:
    await index.open(1, DIMENSION, IndexSpec())
    named = [Point(uid, 1, VECTORS[uid], {"name": f"cat-{uid}"} if uid < 4 else {}) for uid in range(1, 6)]
    await index.write(1, named, [])
    assert await index.names(1, [1, 3, 4, 99]) == {1: "cat-1", 3: "cat-3"}
    assert await index.names(1, []) == {}


async def test_more_than_milvus_gives_at_a_time_are_found_and_listed(index: MilvusIndex) -> None:
    count = 17_000
    await index.open(1, 4, IndexSpec())
    vectors = unit_vectors(count, 4)
    for first in range(0, count, 1_000):
        await index.write(1, points(vectors[first : first + 1_000], first_uid=first + 1), [])
    assert [uid for uid, _ in await index.entries(1, 0, count + 1)] == list(range(1, count + 1))
    (found,) = await index.nearest(1, vectors[:1], count)
    assert len(found) == count
    assert by_uid(list(found)[:10]) == set((np.argsort(-(vectors @ vectors[0]))[:10] + 1).tolist())

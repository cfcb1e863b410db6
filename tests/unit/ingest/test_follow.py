"""One follower: its index becomes what the catalogue is, whatever fails on the way."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

import pytest

from soutu.domain.collection import IndexSpec
from soutu.domain.query import Point
from soutu.ingest.completion import Completion
from soutu.ingest.follow import Follower, Pace
from soutu.ingest.scan import mismatches
from soutu.observe.clock import SystemClock
from soutu.ports import Catalog
from tests.unit.ingest.fakes import DIMENSION, Embeddings, FragileIndex, ListCatalog, generation, vector

WAIT_S = 10.0


@pytest.fixture
def catalog() -> ListCatalog:
    return ListCatalog()


@pytest.fixture
def index() -> FragileIndex:
    return FragileIndex()


@pytest.fixture
def embeddings() -> Embeddings:
    return Embeddings()


@pytest.fixture
def follower(catalog: ListCatalog, index: FragileIndex, embeddings: Embeddings) -> Follower:
    return follower_of(catalog, index, embeddings)


class FailsAtSecond(FragileIndex):
    """An index whose second write fails."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0

    async def write(self, generation: int, points: Sequence[Point], gone: Sequence[int]) -> None:
        self.writes += 1
        self.failing = int(self.writes == 2)
        await super().write(generation, points, gone)


def follower_of(
    catalog: ListCatalog, index: FragileIndex, embeddings: Embeddings, pace: Pace | None = None
) -> Follower:
    return Follower(
        catalog.found[0],
        cast(Catalog, catalog),
        index,
        cast(Completion, embeddings),
        SystemClock(),
        pace or Pace(poll_s=0.05, persist_s=0.01),
    )


@asynccontextmanager
async def following(follower: Follower, revision: int) -> AsyncIterator[None]:
    """Runs the follower, from when it has reached the revision to the end of the context."""
    task = asyncio.create_task(follower.run())
    try:
        await asyncio.wait_for(follower.reached(revision), WAIT_S)
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def held(index: FragileIndex) -> dict[int, int]:
    return dict(await index.entries(1, 0, 100))


async def test_it_is_ready_and_keeps_house_though_writes_never_rest(
    catalog: ListCatalog, index: FragileIndex
) -> None:
    index.write_s = 0.05

    async def writes() -> None:
        for uid in itertools.count(1):
            catalog.put(uid)
            await asyncio.sleep(0.01)

    writer = asyncio.create_task(writes())
    follower = follower_of(catalog, index, Embeddings())
    async with following(follower, 20):
        persisted = index.persisted
        follower.suspect([3])
        await index.write(1, [], [3])
        await asyncio.wait_for(follower.reached(follower.followed + 60), WAIT_S)
        assert not writer.done()
        assert index.persisted > persisted
        assert 3 in await held(index)
        writer.cancel()


async def test_the_index_becomes_what_the_catalogue_is(
    catalog: ListCatalog, index: FragileIndex, follower: Follower
) -> None:
    for uid in (1, 2, 3):
        catalog.put(uid)
    catalog.remove(2)
    async with following(follower, 4):
        assert await held(index) == {1: 1, 3: 3}
        catalog.put(1)
        catalog.remove(3)
        follower.wake()
        await asyncio.wait_for(follower.reached(6), WAIT_S)
        assert await held(index) == {1: 5}


async def test_a_fault_is_waited_out(catalog: ListCatalog, index: FragileIndex, follower: Follower) -> None:
    catalog.put(1)
    index.failing, catalog.down = 1, 1
    async with following(follower, 1):
        assert await held(index) == {1: 1}


async def test_a_lost_index_is_made_again_from_the_beginning_even_if_that_fails_on_the_way(
    catalog: ListCatalog, embeddings: Embeddings
) -> None:
    for uid in range(1, 601):  # more than one shard
        catalog.put(uid)
    catalog.found = [generation(followed=600)]

    lost = FailsAtSecond()
    async with following(follower_of(catalog, lost, embeddings), 600):
        assert await lost.count(1) == 600


async def test_an_index_that_was_kept_goes_on_where_it_was(
    catalog: ListCatalog, index: FragileIndex, embeddings: Embeddings
) -> None:
    catalog.put(1)
    catalog.put(2)
    catalog.found = [generation(followed=1)]
    await index.open(1, DIMENSION, IndexSpec())
    await index.write(1, [Point(1, 77, vector(1))], [])
    async with following(follower_of(catalog, index, embeddings), 2):
        assert await held(index) == {1: 77, 2: 2}


async def test_what_has_no_embedding_gets_one_or_stays_out_with_its_reason(
    catalog: ListCatalog, index: FragileIndex, embeddings: Embeddings, follower: Follower
) -> None:
    embeddings.lost = {"i2"}
    for uid in (1, 2, 3):
        catalog.put(uid, embedded=uid == 3)
    async with following(follower, 3):
        assert await held(index) == {1: 1, 3: 3}
        assert embeddings.asked == ["i1", "i2"]
        assert [(each.subject, each.reason) for each in catalog.unfollowed[1]] == [("i2", "ORIGINAL_GONE")]
        assert catalog.found[0].followed == 3, "failures are recorded together with how far it came"


async def test_an_image_deleted_while_it_is_embedded_goes_again(
    catalog: ListCatalog, index: FragileIndex, embeddings: Embeddings, follower: Follower
) -> None:
    catalog.put(1, embedded=False)
    embeddings.pause.clear()
    asyncio.get_running_loop().call_later(0.05, catalog.remove, 1)
    asyncio.get_running_loop().call_later(0.1, embeddings.pause.set)
    async with following(follower, 2):
        assert await held(index) == {}


async def test_suspects_are_compared_with_the_catalogue_again(
    catalog: ListCatalog, index: FragileIndex, follower: Follower
) -> None:
    catalog.put(1)
    catalog.put(2)
    async with following(follower, 2):
        await index.write(1, [Point(2, 1, vector(9)), Point(8, 1, vector(8))], [1])
        assert await mismatches(cast(Catalog, catalog), index, follower.generation) == {1, 2, 8}
        follower.suspect([1, 2, 8])
        await _until_whole(catalog, index, follower)
        assert await held(index) == {1: 1, 2: 2}


async def test_a_periodic_scan_finds_what_nobody_suspects(
    catalog: ListCatalog, index: FragileIndex, embeddings: Embeddings
) -> None:
    catalog.put(1)
    follower = follower_of(catalog, index, embeddings, Pace(poll_s=0.05, persist_s=0.01, scan_s=0.1))
    async with following(follower, 1):
        await index.write(1, [Point(8, 1, vector(8))], [1])
        await _until_whole(catalog, index, follower)
        assert await held(index) == {1: 1}


async def test_how_far_it_came_is_written_down(
    catalog: ListCatalog, index: FragileIndex, embeddings: Embeddings
) -> None:
    follower = follower_of(catalog, index, embeddings, Pace(persist_s=3600))
    async with following(follower, 0):
        catalog.put(1)
        follower.wake()
        await asyncio.wait_for(follower.reached(1), WAIT_S)
    before = index.persisted
    await follower.close()
    assert (catalog.found[0].followed, index.persisted) == (1, before + 1)


async def _until_whole(catalog: ListCatalog, index: FragileIndex, follower: Follower) -> None:
    async with asyncio.timeout(WAIT_S):
        while await mismatches(cast(Catalog, catalog), index, follower.generation):
            await asyncio.sleep(0.01)


class SlowToOptimize(FragileIndex):
    """An index whose optimising takes an hour, unless it is given up."""

    given_up = False

    async def optimize(self, generation: int) -> None:
        try:
            await asyncio.sleep(3_600)
        except asyncio.CancelledError:
            self.given_up = True
            raise


async def test_closing_gives_up_optimising(catalog: ListCatalog, embeddings: Embeddings) -> None:
    catalog.put(1)
    index = SlowToOptimize()
    follower = follower_of(catalog, index, embeddings)
    async with following(follower, 1):
        await asyncio.sleep(0)
    await asyncio.wait_for(follower.close(), WAIT_S)
    assert index.given_up


class CountsOptimizing(FragileIndex):
    """An index that counts how often it is optimised."""

    optimized = 0

    async def optimize(self, generation: int) -> None:
        self.optimized += 1


@pytest.mark.parametrize(("settle_s", "optimized"), [(0.02, 2), (3_600, 1)])
async def test_what_has_settled_is_optimised_however_little_it_is(
    catalog: ListCatalog, embeddings: Embeddings, settle_s: float, optimized: int
) -> None:
    index = CountsOptimizing()  # once when it is opened, and once more when it has settled
    pace = Pace(poll_s=0.01, persist_s=0.01, settle_s=settle_s)
    follower = follower_of(catalog, index, embeddings, pace)
    async with following(follower, 0):
        catalog.put(1)
        follower.wake()
        await asyncio.wait_for(follower.reached(1), WAIT_S)
        await asyncio.sleep(0.2)
    assert index.optimized == optimized

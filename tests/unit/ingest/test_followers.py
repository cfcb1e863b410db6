"""All followers: which generations are followed, and what is known of them."""

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import pytest

from soutu.domain.collection import Generation, GenerationState, IndexSpec
from soutu.domain.errors import Reason, SoutuError
from soutu.ingest.completion import Completion
from soutu.ingest.follow import Follower, Pace
from soutu.ingest.followers import Followers
from soutu.observe.clock import SystemClock
from soutu.ports import Catalog
from tests.unit.ingest.fakes import DIMENSION, Embeddings, FragileIndex, ListCatalog, generation

WAIT_S = 10.0
BUILDING, FAILED = generation(2, GenerationState.BUILDING), generation(3, GenerationState.FAILED)


@pytest.fixture
def catalog() -> ListCatalog:
    return ListCatalog([generation(1), BUILDING, FAILED])


@pytest.fixture
def index() -> FragileIndex:
    return FragileIndex()


@pytest.fixture
async def followers(catalog: ListCatalog, index: FragileIndex) -> AsyncIterator[Followers]:
    def follower(followed: Generation) -> Follower:
        completion = cast(Completion, Embeddings())
        return Follower(followed, cast(Catalog, catalog), index, completion, SystemClock(), Pace(poll_s=0.05))

    followers = Followers(cast(Catalog, catalog), index, follower)
    yield followers
    await followers.close()


async def test_every_generation_is_followed_but_those_that_failed(
    catalog: ListCatalog, followers: Followers
) -> None:
    catalog.put(1)
    await followers.start()
    for each in (generation(1), BUILDING):
        assert await followers.reached(each, 1, WAIT_S)
        assert followers.followed(each) == 1
        followers.check_ready(each)
    assert not await followers.reached(FAILED, 0, WAIT_S)
    assert followers.followed(FAILED) == 0
    with pytest.raises(SoutuError) as refused:
        followers.check_ready(FAILED)
    assert refused.value.reason is Reason.INDEX_UNREADY


async def test_waiting_ends_with_the_time_given(catalog: ListCatalog, followers: Followers) -> None:
    await followers.start()
    assert await followers.reached(generation(1), 0, WAIT_S)
    assert not await followers.reached(generation(1), 1, 0.05)
    catalog.put(1)
    followers.wake(5)
    assert await followers.reached(generation(1), 1, WAIT_S)


async def test_a_removed_generation_leaves_no_index(
    catalog: ListCatalog, index: FragileIndex, followers: Followers
) -> None:
    await followers.start()
    assert await followers.reached(BUILDING, 0, WAIT_S)
    await followers.remove(2)
    await followers.remove(2)  # a second time changes nothing
    with pytest.raises(SoutuError):
        await index.count(2)
    assert await index.count(1) == 0


async def test_what_is_left_of_generations_that_are_gone_is_dropped_at_the_start(
    index: FragileIndex, followers: Followers
) -> None:
    for uid in (3, 4):  # one failed, one is not known at all
        await index.open(uid, DIMENSION, IndexSpec())
    await followers.start()
    assert await followers.reached(BUILDING, 0, WAIT_S)
    assert set(await index.kept()) <= {1, 2}


async def test_an_index_that_is_away_is_followed_and_tidied_once_it_is_back(
    catalog: ListCatalog, index: FragileIndex, followers: Followers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soutu.ingest.followers._TIDY_S", 0.01)
    await index.open(99, DIMENSION, IndexSpec())
    index.away = True
    await followers.start()
    assert await followers.reached(BUILDING, 0, WAIT_S)
    catalog.found.remove(BUILDING)
    await followers.remove(2)
    index.away = False
    async with asyncio.timeout(WAIT_S):
        while await index.kept() != [1]:
            await asyncio.sleep(0.01)
    assert followers.followed(generation(1)) == 0


async def test_a_build_that_failed_is_told_until_one_succeeds(
    index: FragileIndex, followers: Followers
) -> None:
    index.away = True
    await followers.start()
    assert await followers.reached(generation(1), 0, WAIT_S)
    await asyncio.sleep(0.01)
    with pytest.raises(SoutuError, match="It is away"):
        followers.check_built(generation(1))
    followers.check_built(FAILED)  # nothing is known of it


async def test_ending_writes_down_what_was_followed(catalog: ListCatalog, followers: Followers) -> None:
    await followers.start()
    catalog.put(1)
    followers.wake(5)
    await asyncio.gather(*(followers.reached(each, 1, WAIT_S) for each in (generation(1), BUILDING)))
    await followers.close()
    assert [each.followed for each in catalog.found] == [1, 1, 0]

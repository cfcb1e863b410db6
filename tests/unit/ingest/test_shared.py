"""Followers of several processes, here in one: one follows, the others know, and none does harm for long."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import cast

import pytest

from soutu.adapters.catalog import SqlCatalog
from soutu.adapters.vectors.exact import ExactIndex
from soutu.domain.collection import Collection, Generation
from soutu.domain.errors import SoutuError
from soutu.domain.query import Point
from soutu.domain.writing import OnConflict, Remove
from soutu.ingest.completion import Completion
from soutu.ingest.follow import Follower, Pace
from soutu.ingest.leading import Leading
from soutu.ingest.shared import Lease, SharedFollowers
from soutu.observe.clock import SystemClock
from tests.contract.catalog_fixtures import DRAFT, put, url_of

LEASE_S, WAIT_S = 0.6, 10.0


class SlowIndex(ExactIndex):
    """An index that all processes share, whose writes by one of them wait at a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.arrived = asyncio.Event()


class Door:
    """What one process has of the index; `slow` makes its writes wait at the gate."""

    def __init__(self, index: SlowIndex) -> None:
        self.index = index
        self.slow = False

    def __getattr__(self, name: str) -> object:
        return getattr(self.index, name)

    async def write(self, generation: int, points: Sequence[Point], gone: Sequence[int]) -> None:
        if self.slow:
            self.index.arrived.set()
            await self.index.gate.wait()
        await self.index.write(generation, points, gone)


class Process(SharedFollowers):
    """The followers of one process, which can be stopped as SIGSTOP does."""

    def __init__(self, name: str, catalog: SqlCatalog, index: SlowIndex) -> None:
        self.door, clock = Door(index), SystemClock()

        def follower(generation: Generation, leading: Leading) -> Follower:
            completion, door = cast(Completion, None), cast(ExactIndex, self.door)
            pace = Pace(poll_s=0.05, persist_s=0.05)
            return Follower(generation, catalog, door, completion, clock, pace, leading)

        lease = Lease(name, lease_s=LEASE_S, beat_s=0.1, look_s=0.02)
        super().__init__(catalog, cast(ExactIndex, self.door), follower, clock, lease, self._count_forgetting)
        self.forgotten = 0
        self.stopped = asyncio.Event()

    async def _count_forgetting(self) -> None:
        self.forgotten += 1

    async def _look(self) -> None:
        while self.stopped.is_set():
            await asyncio.sleep(0.01)
        await super()._look()


@pytest.fixture
async def catalog(tmp_path: Path) -> AsyncIterator[SqlCatalog]:
    opened = await SqlCatalog.open(url_of(tmp_path), SystemClock())
    yield opened
    await opened.close()


@pytest.fixture
def index() -> SlowIndex:
    return SlowIndex()


@pytest.fixture
async def processes(catalog: SqlCatalog, index: SlowIndex) -> AsyncIterator[tuple[Process, Process]]:
    first, second = Process("first", catalog, index), Process("second", catalog, index)
    await first.start()
    await second.start()
    yield first, second
    await first.close()
    await second.close()


@pytest.fixture
async def pictures(catalog: SqlCatalog) -> Collection:
    return await catalog.create_collection(DRAFT)


async def generation_of(catalog: SqlCatalog) -> Generation:
    return (await catalog.head("pictures")).generation


async def in_order(
    processes: tuple[Process, Process], catalog: SqlCatalog
) -> tuple[Process, Process, Generation]:
    """The one that leads, the other, and what they follow."""
    generation = await generation_of(catalog)
    for each in processes:
        assert await each.reached(generation, 0, WAIT_S)
    first, second = processes
    return (first, second, generation) if first._running else (second, first, generation)


async def equal(catalog: SqlCatalog, index: SlowIndex, generation: Generation) -> bool:
    rows = await catalog.revisions(generation.collection_uid, 0, 1_000)
    return list(rows) == list(await index.entries(generation.uid, 0, 1_000))


async def until_equal(catalog: SqlCatalog, index: SlowIndex, generation: Generation) -> None:
    async with asyncio.timeout(WAIT_S):
        while not await equal(catalog, index, generation):
            await asyncio.sleep(0.02)


async def test_one_follows_and_both_know_how_far_it_is(
    catalog: SqlCatalog, pictures: Collection, index: SlowIndex, processes: tuple[Process, Process]
) -> None:
    leader, other, generation = await in_order(processes, catalog)
    assert not other._running
    commit = await catalog.commit(pictures.uid, [put("a"), put("b")])  # nobody is woken
    for each in (leader, other):
        assert await each.reached(generation, commit.revision, WAIT_S)
        assert each.followed(generation) == 2
        each.check_ready(generation)
    assert await equal(catalog, index, generation)
    assert not await other.reached(generation, 3, 0.05)


async def test_who_ends_lets_another_go_on_at_once(
    catalog: SqlCatalog, pictures: Collection, index: SlowIndex, processes: tuple[Process, Process]
) -> None:
    leader, other, generation = await in_order(processes, catalog)
    await leader.close()
    commit = await catalog.commit(pictures.uid, [put("a")])
    assert await other.reached(generation, commit.revision, WAIT_S)
    assert other._running


async def test_what_is_written_late_is_found_and_mended(
    catalog: SqlCatalog, pictures: Collection, index: SlowIndex, processes: tuple[Process, Process]
) -> None:
    """A leader stands still within a write, another takes over and goes on, and then the write arrives."""
    leader, other, generation = await in_order(processes, catalog)
    leader.door.slow = True
    index.gate.clear()
    await catalog.commit(pictures.uid, [put("a"), put("b")])
    await index.arrived.wait()
    leader.stopped.set()
    commit = await catalog.commit(pictures.uid, [Remove("a"), put("b", on_conflict=OnConflict.REPLACE)])
    assert await other.reached(generation, commit.revision, WAIT_S)
    assert other._running
    assert await equal(catalog, index, generation)
    index.gate.set()
    leader.stopped.clear()
    async with asyncio.timeout(WAIT_S):
        while await equal(catalog, index, generation):  # the old rows arrive
            await asyncio.sleep(0)
    await until_equal(catalog, index, generation)
    async with asyncio.timeout(WAIT_S):
        while leader._running:
            await asyncio.sleep(0.02)


async def test_generations_come_and_go_everywhere(
    catalog: SqlCatalog, pictures: Collection, index: SlowIndex, processes: tuple[Process, Process]
) -> None:
    leader, other, generation = await in_order(processes, catalog)
    second = await catalog.create_collection(DRAFT.__class__("second", DRAFT.model, 4))
    added = (await catalog.generations(second.uid))[0]
    for each in processes:
        assert await each.reached(added, 0, WAIT_S)
    await catalog.delete_collection(pictures.uid)
    await other.remove(generation.uid)  # whoever was asked to delete it did not follow it
    async with asyncio.timeout(WAIT_S):
        while generation.uid in leader._running or generation.uid in await index.kept():
            await asyncio.sleep(0.02)
    with pytest.raises(SoutuError):
        leader.check_ready(generation)


async def test_a_search_of_another_process_has_points_looked_at(
    catalog: SqlCatalog, pictures: Collection, index: SlowIndex, processes: tuple[Process, Process]
) -> None:
    _, other, generation = await in_order(processes, catalog)
    commit = await catalog.commit(pictures.uid, [put("a")])
    assert await other.reached(generation, commit.revision, WAIT_S)
    await index.write(generation.uid, [], [uid for uid, _ in await index.entries(generation.uid, 0, 9)])
    assert not await equal(catalog, index, generation)
    other.suspect(generation, [1])
    await until_equal(catalog, index, generation)


async def test_a_generation_that_goes_is_forgotten_by_all(
    processes: tuple[Process, Process], catalog: SqlCatalog, pictures: Collection
) -> None:
    await in_order(processes, catalog)
    assert [each.forgotten for each in processes] == [0, 0]
    await catalog.delete_collection(pictures.uid)
    async with asyncio.timeout(WAIT_S):
        while [each.forgotten for each in processes] != [1, 1]:
            await asyncio.sleep(0.01)

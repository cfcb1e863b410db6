"""The stories of generations, step by step."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import cast

import pytest

from soutu.collections.generations import Generations
from soutu.domain.collection import Generation, GenerationState
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.operation import Operation, OperationKind, OperationState
from soutu.ingest.commits import Commits
from soutu.ingest.completion import Completion
from soutu.ingest.follow import Follower, Pace
from soutu.ingest.followers import Followers
from soutu.observe.clock import SystemClock
from soutu.operations.job import Job
from soutu.ports import Catalog
from tests.unit.ingest.fakes import THEN, Embeddings, FragileIndex, ListCatalog, generation

BUILDING = generation(2, GenerationState.BUILDING)


class Scene:
    """The story with an active generation g1 and a second one."""

    def __init__(self, second: Generation) -> None:
        self.catalog = ListCatalog([generation(1), second])
        self.index = FragileIndex()
        self.embeddings = Embeddings()
        port = cast(Catalog, self.catalog)
        self.followers = Followers(port, self.index, self._follower)
        self.commits = Commits(port, self.followers, 1.0, 100)
        self.story = Generations(port, self.index, self.followers, self.commits, SystemClock())

    def job(self, *, publish: bool = False, uid: int = 2) -> Job:
        request = {"generation": "g2", "uid": uid, "publish": publish}
        kind, running = OperationKind.GENERATION, OperationState.RUNNING
        operation = Operation(1, "op", kind, 5, "c", running, request, THEN, THEN)
        return Job(operation, "me", SystemClock())

    def state(self) -> GenerationState:
        return next(each.state for each in self.catalog.found if each.uid == 2)

    async def has_index(self, uid: int) -> bool:
        try:
            await self.index.count(uid)
        except SoutuError:
            return False
        return True

    def _follower(self, followed: Generation) -> Follower:
        completion = cast(Completion, self.embeddings)
        catalog = cast(Catalog, self.catalog)
        return Follower(followed, catalog, self.index, completion, SystemClock(), Pace(poll_s=0.02))


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    """A generation that is being built."""
    scene = Scene(BUILDING)
    await scene.followers.start()
    yield scene
    await scene.followers.close()


@pytest.fixture
async def ready() -> AsyncIterator[Scene]:
    """A generation that was built."""
    scene = Scene(generation(2))
    await scene.followers.start()
    yield scene
    await scene.followers.close()


@contextmanager
def refused(reason: Reason) -> Iterator[None]:
    with pytest.raises(SoutuError) as caught:
        yield
    assert caught.value.reason is reason


async def test_a_generation_is_ready_once_it_has_everything(scene: Scene) -> None:
    scene.embeddings.lost = {"i2"}
    for uid in (1, 2, 3):
        scene.catalog.put(uid, embedded=False)
    job = scene.job()
    made = await scene.story.run(job)
    assert (made["name"], made["state"]) == ("collections/c/generations/g2", "STATE_READY")
    assert (made["active"], made["pending_changes"], made["image_count"]) == (False, 0, 3)
    assert scene.state() is GenerationState.READY
    assert await scene.index.count(2) == 2
    assert (job.progress.total, job.progress.done, job.progress.failed) == (3, 3, 1)
    assert [failure.subject for failure in scene.catalog.unfollowed[2]] == ["i2"]
    assert scene.catalog.active == 1


async def test_it_is_built_while_writes_never_rest(scene: Scene) -> None:
    """An index that is longer behind than one look lasts catches up all the same."""
    scene.index.write_s = 0.4
    scene.catalog.put(0)

    async def writes() -> None:
        for uid in itertools.count(1):
            scene.catalog.put(uid)
            scene.followers.wake(5)
            await asyncio.sleep(0.02)

    writer = asyncio.create_task(writes())
    async with asyncio.timeout(20):
        made = await scene.story.run(scene.job())
    assert not writer.done()
    writer.cancel()
    assert made["state"] == "STATE_READY"


async def test_it_may_be_published_at_once(scene: Scene) -> None:
    await scene.story.run(scene.job(publish=True))
    assert scene.catalog.active == 2


async def test_an_index_that_does_not_find_is_unsound(scene: Scene) -> None:
    for uid in range(1, 30):
        scene.catalog.put(uid)
    await scene.followers.reached(BUILDING, 29, 5)
    await scene.index.write(2, [], list(range(3, 30)))
    with refused(Reason.GENERATION_UNSOUND):
        await scene.story.run(scene.job())
    assert scene.state() is GenerationState.BUILDING


async def test_another_generation_under_its_name_is_left_alone(scene: Scene) -> None:
    with refused(Reason.GENERATION_NOT_FOUND):
        await scene.story.run(scene.job(uid=77))
    await scene.story.give_up(scene.job(uid=77).operation)
    assert scene.state() is GenerationState.BUILDING


async def test_giving_up_leaves_nothing_but_the_name(scene: Scene) -> None:
    await scene.followers.reached(BUILDING, 0, 5)
    await scene.story.give_up(scene.job().operation)
    assert scene.state() is GenerationState.FAILED
    assert not await scene.has_index(2)
    await scene.story.give_up(scene.job().operation)  # as after a crash on the way
    assert scene.state() is GenerationState.FAILED


async def test_giving_up_drops_the_index_of_a_generation_that_was_deleted_meanwhile(scene: Scene) -> None:
    await scene.followers.reached(BUILDING, 0, 5)
    await scene.catalog.delete_generation(BUILDING)
    with refused(Reason.GENERATION_NOT_FOUND):
        await scene.story.run(scene.job())
    await scene.story.give_up(scene.job().operation)
    assert not await scene.has_index(2)


async def test_a_generation_that_is_built_outlives_its_operation(ready: Scene) -> None:
    await ready.followers.reached(generation(2), 0, 5)
    await ready.story.give_up(ready.job().operation)
    assert ready.state() is GenerationState.READY
    assert await ready.has_index(2)


async def test_publishing_waits_for_the_rest_and_for_commits_under_way(ready: Scene) -> None:
    ready.catalog.put(1)
    ready.catalog.late = 3
    head = await ready.story.publish("c", "g2")
    assert head.generation.uid == ready.catalog.active == 2
    assert ready.followers.followed(generation(2)) == ready.catalog.revision == 4


async def test_publications_at_the_same_time_take_turns(ready: Scene) -> None:
    await asyncio.gather(*(ready.story.publish("c", name) for name in ("g2", "g1", "g2")))
    assert ready.catalog.active in (1, 2)
    await ready.commits.commit(await ready.catalog.head("c"), [])  # nothing is held any more


async def test_a_generation_that_is_not_built_is_not_published(scene: Scene) -> None:
    with refused(Reason.GENERATION_UNREADY):
        await scene.story.publish("c", "g2")


async def test_one_that_does_not_catch_up_is_published_later(ready: Scene) -> None:
    await ready.followers.remove(2)
    with refused(Reason.PUBLISH_LATE):
        await ready.story.publish("c", "g2")
    assert ready.catalog.active == 1


async def test_rolling_back_publishes_what_was_active_before(ready: Scene) -> None:
    first, second = ready.catalog.found
    with refused(Reason.GENERATION_UNREADY):
        await ready.story.roll_back("c")
    earlier = replace(second, publish_time=THEN - timedelta(days=1))
    ready.catalog.found = [replace(first, publish_time=THEN), earlier]
    assert (await ready.story.roll_back("c")).generation.uid == 2

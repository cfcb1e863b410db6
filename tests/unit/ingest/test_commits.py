"""The last step of every write, and holding it back."""

import asyncio
import gc
from collections.abc import Sequence
from typing import cast

import pytest

from soutu.domain.collection import Generation
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.revision import revision_text
from soutu.domain.writing import Commit, Remove
from soutu.ingest.commits import Commits
from soutu.ingest.followers import Followers
from soutu.ports import Catalog
from tests.unit.ingest.fakes import COLLECTION, ListCatalog, generation


class Reached:
    """Followers of which each generation has followed so far and no further; notes what is asked."""

    def __init__(self, **followed: int) -> None:
        self._followed = followed
        self.asked: list[str] = []

    def wake(self, collection_uid: int) -> None: ...

    def followed(self, generation: Generation) -> int:
        return self._followed.get(generation.id, 0)

    async def reached(self, generation: Generation, revision: int, timeout_s: float) -> bool:
        self.asked.append(generation.id)
        return self.followed(generation) >= revision


class FailingCatalog(ListCatalog):
    """One whose database goes away within each commit."""

    failed = 0

    async def commit(self, *arguments: object, **options: object) -> Commit:
        await asyncio.sleep(0.01)
        self.failed += 1
        raise SoutuError(Reason.CATALOG_UNAVAILABLE)


def commits(catalog: ListCatalog, followers: Reached, backlog: int = 100) -> Commits:
    return Commits(cast(Catalog, catalog), cast(Followers, followers), 0.1, backlog)


async def test_a_receipt_is_of_the_generation_that_is_active_after_the_commit() -> None:
    catalog = ListCatalog([generation(1), generation(2)])
    followers = Reached(g1=9, g2=0)
    before = await catalog.head("c")
    catalog.active = 2  # published while the write was made
    receipt = await commits(catalog, followers).receipt(before, 3)
    assert (receipt.revision, receipt.indexed) == (revision_text(COLLECTION.uid, 3), False)
    assert followers.asked == ["g2"]


async def test_commits_wait_while_their_collection_is_held() -> None:
    catalog = ListCatalog()
    story, head = commits(catalog, Reached()), await catalog.head("c")
    async with story.hold(COLLECTION.uid):
        write = asyncio.create_task(story.commit(head, [Remove("a")]))
        await asyncio.sleep(0.02)
        assert catalog.revision == 0
        async with story.hold(COLLECTION.uid + 1):  # another collection's
            pass
    assert (await write).revision == 1


async def test_one_holds_at_a_time() -> None:
    story, order = commits(ListCatalog(), Reached()), list[str]()

    async def hold(name: str) -> None:
        async with story.hold(COLLECTION.uid):
            order.append(f"{name} begins")
            await asyncio.sleep(0.02)
            order.append(f"{name} ends")

    await asyncio.gather(hold("one"), hold("other"))
    assert order == ["one begins", "one ends", "other begins", "other ends"]


async def test_a_commit_that_began_is_carried_through() -> None:
    catalog = ListCatalog()
    story, head = commits(catalog, Reached()), await catalog.head("c")
    write = asyncio.create_task(story.commit(head, [Remove("a")]))
    await asyncio.sleep(0)
    write.cancel()
    await asyncio.gather(write, return_exceptions=True)
    await asyncio.sleep(0.01)
    assert catalog.revision == 1


async def test_a_commit_that_fails_when_its_caller_is_gone_is_no_alarm() -> None:
    catalog, alarms = FailingCatalog(), list[str]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: alarms.append(context["message"]))
    story, head = commits(catalog, Reached()), await catalog.head("c")
    write = asyncio.create_task(story.commit(head, [Remove("a")]))
    await asyncio.sleep(0)
    write.cancel()
    with pytest.raises(asyncio.CancelledError):
        await write
    await asyncio.sleep(0.02)
    del write
    gc.collect()
    assert (catalog.failed, alarms) == (1, [])


@pytest.mark.parametrize(("followed", "refusals"), [(0, [Reason.BACKLOG_FULL]), (1, [])])
async def test_too_long_a_backlog_refuses_writes(followed: int, refusals: Sequence[Reason]) -> None:
    catalog = ListCatalog(revision=11)
    story, head = commits(catalog, Reached(g1=followed), backlog=10), await catalog.head("c")
    met = []
    try:
        story.check_backlog(head)
    except SoutuError as error:
        met.append(error.reason)
    assert met == refusals

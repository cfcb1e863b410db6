"""The Catalog port's promises on what follows from writes, and on writes at the same time."""

import asyncio
from datetime import timedelta

import numpy as np
import pytest

from soutu.domain.collection import (
    Collection,
)
from soutu.domain.image import Metadata
from soutu.domain.model import ModelRef
from soutu.domain.writing import Remove, Request, Revise, Written
from soutu.ports import Catalog
from tests.contract.catalog_fixtures import (
    MODEL,
    MovableClock,
    content,
    put,
    vector,
    written,
)

# What indexes follow


async def test_changes_come_in_order_each_row_as_it_is_now(catalog: Catalog, pictures: Collection) -> None:
    await catalog.commit(pictures.uid, [put("a"), put("b"), put("c", embeddings={}), put("d")])
    await catalog.commit(pictures.uid, [Remove("b"), Revise("a", Metadata("new"))])
    changes = await catalog.changes(pictures.uid, MODEL, 0, 10)
    assert [(change.revision, change.image and change.image.id) for change in changes] == [
        (3, "c"),
        (4, "d"),
        (5, None),
        (6, "a"),
    ]
    assert changes[0].vector is None
    assert np.array_equal(changes[3].vector, vector())  # type: ignore[arg-type]
    assert changes[3].image == await catalog.image(pictures.uid, "a")
    paged = [change for after in (0, 4) for change in await catalog.changes(pictures.uid, MODEL, after, 2)]
    assert [change.revision for change in paged] == [3, 4, 5, 6]


async def test_rows_are_as_they_are_now_in_the_order_asked(catalog: Catalog, pictures: Collection) -> None:
    await catalog.commit(pictures.uid, [put("a"), put("b"), Remove("a")])
    gone, there = await catalog.rows(pictures.uid, MODEL, [1, 2])
    assert (gone.uid, gone.revision, gone.image) == (1, 0, None)
    assert there.image == await catalog.image(pictures.uid, "b")
    assert np.array_equal(there.vector, vector())  # type: ignore[arg-type]


async def test_embeddings_are_kept_by_content_and_model(catalog: Catalog, pictures: Collection) -> None:
    await catalog.store_embeddings(MODEL, {"x" * 64: vector(1), "y" * 64: vector(2)})
    await catalog.store_embeddings(MODEL, {"x" * 64: vector(3)})
    found = await catalog.embeddings(MODEL, ["x" * 64, "z" * 64])
    assert list(found) == ["x" * 64]
    assert np.array_equal(found["x" * 64], vector(1))
    assert found["x" * 64].dtype == np.float32
    assert await catalog.embeddings(ModelRef("other", "1"), ["x" * 64]) == {}


async def test_pruning_forgets_the_old_but_no_tombstone_still_to_follow(
    catalog: Catalog, pictures: Collection, clock: MovableClock
) -> None:
    await catalog.commit(
        pictures.uid, [put("a"), put("b"), Remove("a"), Remove("b")], request=Request("r", "1")
    )
    await catalog.set_followed((await catalog.generations())[0].uid, 3)
    clock.move(60)
    await catalog.prune(clock.now())
    assert [change.revision for change in await catalog.changes(pictures.uid, MODEL, 0, 9)] == [4]
    fresh = await catalog.commit(pictures.uid, [put("z")], request=Request("r", "another body"))
    assert not fresh.replayed


# Contents


async def test_contents_are_swept_in_two_steps(
    catalog: Catalog, pictures: Collection, clock: MovableClock
) -> None:
    await catalog.commit(pictures.uid, [put("a"), put("b"), put("c"), put("d"), Remove("a")])
    await catalog.commit(pictures.uid, [Remove("b"), Remove("c")])
    grace = timedelta(hours=1)
    assert await catalog.swept_contents(clock.now() - grace, 10) == []
    clock.move(7200)
    assert await catalog.hold_contents([content("b")])  # an upload relies on it: spared
    await catalog.commit(pictures.uid, [put("c2", "c")])  # used again
    assert await catalog.swept_contents(clock.now() - grace, 10) == [content("a").sha256]
    assert not await catalog.hold_contents([content("a")])  # its object is being removed
    await catalog.forget_contents([content("a").sha256])
    assert await catalog.embeddings(MODEL, [content("a").sha256]) == {}
    clock.move(7200)
    assert await catalog.swept_contents(clock.now() - grace, 10) == [content("b").sha256]
    await catalog.commit(pictures.uid, [put("b2", "b")])  # taken up by reference meanwhile
    await catalog.forget_contents([content("b").sha256])
    assert await catalog.hold_contents([content("b")])
    clock.move(7200)
    assert await catalog.swept_contents(clock.now() - grace, 10) == []


async def test_what_another_sweep_is_removing_is_left_to_it_for_a_while(
    catalog: Catalog, pictures: Collection, clock: MovableClock
) -> None:
    await catalog.commit(pictures.uid, [put("a"), Remove("a")])
    grace = timedelta(hours=1)

    async def swept(*, alone: bool) -> list[str]:
        before = clock.now() - grace
        return list(await catalog.swept_contents(before, 10, None if alone else before))

    assert await swept(alone=False) == []  # marked
    clock.move(3601)
    assert await swept(alone=False) == [content("a").sha256]
    clock.move(3599)
    assert await swept(alone=False) == []
    assert await swept(alone=True) == [content("a").sha256]
    clock.move(3601)
    assert await swept(alone=False) == [content("a").sha256]
    assert not await catalog.hold_contents([content("a")])


# Together


async def test_committers_at_once_get_every_revision_once(catalog: Catalog, pictures: Collection) -> None:
    seen: list[int] = []

    async def follow() -> None:
        while len(seen) < 60:
            changes = await catalog.changes(pictures.uid, MODEL, seen[-1] if seen else 0, 7)
            seen.extend(change.revision for change in changes)
            await asyncio.sleep(0)

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(follow())
        commits = [
            group.create_task(catalog.commit(pictures.uid, [put(f"{task}-{turn}") for turn in range(3)]))
            for task in range(20)
        ]
    revisions = [written(commit.result(), turn).revision for commit in commits for turn in range(3)]
    assert sorted(revisions) == list(range(1, 61))
    assert seen == list(range(1, 61))  # a follower never steps over a commit that is still to come


async def test_of_puts_of_one_id_at_once_one_wins(catalog: Catalog, pictures: Collection) -> None:
    commits = await asyncio.gather(*(catalog.commit(pictures.uid, [put("a", f"{n}")]) for n in range(10)))
    assert sum(isinstance(commit.outcomes[0], Written) for commit in commits) == 1


@pytest.mark.parametrize("turns", [0, 1, 3, 6, 12, 25, 50, 100])
async def test_a_cancelled_commit_is_wholly_there_or_not_at_all(
    catalog: Catalog, pictures: Collection, turns: int
) -> None:
    task = asyncio.create_task(catalog.commit(pictures.uid, [put("a"), put("b"), put("c")]))
    for _ in range(turns):
        await asyncio.sleep(0.0002)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    after = await catalog.commit(pictures.uid, [put("d")])  # the connection is in order
    assert after.revision in (1, 4)
    assert len(await catalog.list_images(pictures.uid, "", 9)) == after.revision


async def test_cancelled_reads_leave_the_connections_in_order(catalog: Catalog, pictures: Collection) -> None:
    await catalog.commit(pictures.uid, [put(f"{n}") for n in range(50)])
    for turn in range(40):
        reads = [asyncio.create_task(catalog.list_images(pictures.uid, "", 50)) for _ in range(6)]
        await asyncio.sleep(0.0003 * (turn % 8))
        for read in reads:
            read.cancel()
        await asyncio.gather(*reads, return_exceptions=True)
    assert len(await catalog.list_images(pictures.uid, "", 100)) == 50
    await catalog.commit(pictures.uid, [put("more")])
    assert (await catalog.head("pictures")).collection.image_count == 51

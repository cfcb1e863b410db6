"""What a search's join promises: rows and head as they are now, whoever has changed them, in one read."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from soutu.adapters.catalog import SqlCatalog, joining
from soutu.adapters.catalog.images import read_images
from soutu.domain.collection import Collection, CollectionChanges, Head
from soutu.domain.errors import Reason
from soutu.domain.image import Image, Metadata
from soutu.domain.query import Joined
from soutu.domain.writing import Remove, Revise
from soutu.ingest.sweep import REQUEST_AGE
from tests.contract.catalog_fixtures import MovableClock, image_written, put
from tests.contract.databases import connected
from tests.contract.test_catalog_generations import BY_OTHER, made, ready, refused

on_a_server = pytest.mark.parametrize("catalog_url", ["mariadb"], indirect=True)
AGAIN = Revise("a", Metadata("another"))


@pytest.fixture
async def uids(catalog: SqlCatalog, pictures: Collection) -> list[int]:
    commit = await catalog.commit(pictures.uid, [put(name) for name in "abc"])
    return [image_written(commit, place).uid for place in range(3)]


@pytest.fixture
async def head(catalog: SqlCatalog, uids: list[int]) -> Head:
    """The head of the collection with its three images."""
    return await catalog.head("pictures")


@pytest.fixture
async def other(catalog_url: str, clock: MovableClock, catalog: SqlCatalog) -> AsyncIterator[SqlCatalog]:
    """The same catalogue, as another process has it; a file has but one."""
    if catalog_url.startswith("sqlite"):
        yield catalog
        return
    opened = await SqlCatalog.open(catalog_url, clock)
    yield opened
    await opened.close()


def titles(joined: Joined) -> list[str]:
    return sorted(each.metadata.title for each in joined.images.values())


async def test_it_finds_the_images_that_exist(catalog: SqlCatalog, head: Head, uids: list[int]) -> None:
    for _ in range(2):
        joined = await catalog.joined(head, [*uids, 10_000])
        assert (set(joined.images), joined.revision, joined.holds) == (set(uids), 3, True)
        assert joined.images == await catalog.images(head.collection.uid, uids)
    assert await catalog.joined(head, []) == Joined({}, 3, holds=True)


async def test_what_another_has_changed_is_seen(
    catalog: SqlCatalog, other: SqlCatalog, head: Head, uids: list[int]
) -> None:
    assert titles(await catalog.joined(head, uids)) == ["title of a", "title of b", "title of c"]
    await other.commit(head.collection.uid, [AGAIN, Remove("b")])
    joined = await catalog.joined(head, uids)
    assert titles(joined) == ["another", "title of c"]
    assert (joined.revision, joined.holds) == (5, True)
    assert (await catalog.recent_head("pictures")).collection.revision == 5
    assert await catalog.joined(head, uids) == joined


async def test_a_row_that_changes_beside_one_that_goes_is_not_mistaken_for_none_of_both(
    catalog: SqlCatalog, other: SqlCatalog, head: Head, uids: list[int]
) -> None:
    await catalog.joined(head, uids)
    await other.commit(head.collection.uid, [Remove("c")])
    await other.commit(head.collection.uid, [Revise("b", Metadata("another"))])
    images = (await catalog.joined(head, uids)).images
    assert {uid: image.revision for uid, image in images.items()} == {uids[0]: 1, uids[1]: 5}


@on_a_server
async def test_of_some_that_are_known_and_some_that_are_not_each_is_as_it_is_now(
    catalog: SqlCatalog, other: SqlCatalog, head: Head, uids: list[int]
) -> None:
    await catalog.joined(head, uids[:2])
    await other.commit(head.collection.uid, [AGAIN])
    joined = await catalog.joined(head, uids)
    assert titles(joined) == ["another", "title of b", "title of c"]
    assert joined.images == await other.images(head.collection.uid, uids)


async def test_a_head_that_another_has_altered_holds_no_more(
    catalog: SqlCatalog, other: SqlCatalog, head: Head, clock: MovableClock
) -> None:
    clock.move(1)
    await other.update_collection(head.collection.uid, CollectionChanges(display_name="Pictures"))
    assert not (await catalog.joined(head, [])).holds
    now = await catalog.head("pictures")
    assert (await catalog.joined(now, [])).holds
    assert await catalog.recent_head("pictures") == now


async def test_a_head_holds_no_more_once_another_generation_is_published(
    catalog: SqlCatalog, other: SqlCatalog, head: Head, pictures: Collection
) -> None:
    new = await ready(other, pictures)
    named = await catalog.head("pictures", new.id)
    assert (await catalog.joined(named, [])).holds

    async def caught_up(revision: int) -> bool:
        return True

    assert await other.publish_generation(new, caught_up)
    assert not (await catalog.joined(head, [])).holds
    assert (await catalog.head("pictures")).generation.uid == new.uid


async def test_a_generation_that_is_being_built_holds_no_more_once_it_is(
    catalog: SqlCatalog, pictures: Collection
) -> None:
    building = await catalog.head("pictures", (await made(catalog, pictures)).id)
    assert (await catalog.joined(building, [])).holds
    await ready(catalog, pictures, replace(BY_OTHER, id="third"))
    assert (await catalog.joined(building, [])).holds


async def test_of_a_collection_that_is_gone_there_is_nothing(
    catalog: SqlCatalog, other: SqlCatalog, head: Head, uids: list[int]
) -> None:
    await catalog.joined(head, uids)
    await other.delete_collection(head.collection.uid)
    with refused(Reason.COLLECTION_NOT_FOUND):
        await catalog.joined(head, uids)
    with refused(Reason.COLLECTION_NOT_FOUND):
        await catalog.head("pictures")
    with refused(Reason.COLLECTION_NOT_FOUND):
        await catalog.recent_head("pictures")


@contextmanager
def reads(url: str) -> Iterator[list[int]]:
    """How many SELECTs the server has run meanwhile."""

    def selects() -> int:
        return int(connection.execute(text("SHOW GLOBAL STATUS LIKE 'Com_select'")).one()[1])

    with connected(url) as connection:
        before, counted = selects(), [0]
        yield counted
        counted[0] = selects() - before


async def joined_for_good(catalog: SqlCatalog, head: Head, uids: list[int]) -> Joined:
    """The join of images that are remembered from here on: what was read before it was known as of when, is
    read again."""
    for _ in range(2):
        await catalog.joined(head, uids)
    return await catalog.joined(head, uids)


@on_a_server
async def test_what_is_remembered_is_not_read_again_once_it_was_told_of_the_head(
    catalog: SqlCatalog, catalog_url: str, head: Head, uids: list[int]
) -> None:
    joined = await joined_for_good(catalog, head, uids)
    told = await catalog.joined(head, [])
    with reads(catalog_url) as counted:
        assert await catalog.joined(head, uids, told) == joined
        assert await catalog.joined(head, [], told) == told
    assert counted == [0]
    assert catalog.tells_ahead()


@on_a_server
async def test_what_was_warmed_is_remembered_as_of_then(
    catalog_url: str, other: SqlCatalog, head: Head, uids: list[int]
) -> None:
    await other.warm()
    told = await other.joined(head, [])
    with reads(catalog_url) as counted:
        assert set((await other.joined(head, uids, told)).images) == set(uids)
    assert counted == [0]


@on_a_server
async def test_what_has_changed_before_it_was_told_of_the_head_is_read_and_nothing_else(
    catalog: SqlCatalog, catalog_url: str, other: SqlCatalog, head: Head, uids: list[int]
) -> None:
    await joined_for_good(catalog, head, uids)
    await other.commit(head.collection.uid, [AGAIN, Remove("b")])
    told = await catalog.joined(head, [])
    with reads(catalog_url) as counted:
        assert titles(await catalog.joined(head, uids[2:], told)) == ["title of c"]
    assert counted == [0]
    assert titles(await catalog.joined(head, uids[1:2], told)) == []
    joined = await catalog.joined(head, uids, told)
    assert (titles(joined), joined.revision) == (["another", "title of c"], 5)


@on_a_server
async def test_rows_are_read_again_where_a_great_many_have_changed(
    catalog: SqlCatalog, other: SqlCatalog, head: Head, uids: list[int]
) -> None:
    await joined_for_good(catalog, head, uids)
    await other.commit(head.collection.uid, [*(put(f"i{n}") for n in range(5_000)), AGAIN, Remove("b")])
    told = await catalog.joined(head, [])
    assert titles(await catalog.joined(head, uids[:1], told)) == ["another"]
    assert titles(await catalog.joined(head, uids)) == ["another", "title of c"]


@on_a_server
async def test_rows_are_read_again_where_tombstones_may_have_been_pruned(
    catalog: SqlCatalog,
    catalog_url: str,
    other: SqlCatalog,
    head: Head,
    uids: list[int],
    clock: MovableClock,
) -> None:
    await joined_for_good(catalog, head, uids)
    await other.commit(head.collection.uid, [Remove("b")])
    await catalog.set_followed(head.generation.uid, 4)
    clock.move(48 * 3600)
    await other.prune(clock.now())
    with connected(catalog_url) as connection:
        assert connection.execute(text("SELECT count(*) FROM tombstones")).scalar_one() == 0
    told = await catalog.joined(head, [])
    assert titles(await catalog.joined(head, uids, told)) == ["title of a", "title of c"]


@on_a_server
async def test_rows_are_read_again_where_the_database_has_gone_back(
    catalog: SqlCatalog, catalog_url: str, head: Head, uids: list[int]
) -> None:
    await catalog.commit(head.collection.uid, [AGAIN])
    await joined_for_good(catalog, head, uids)
    with connected(catalog_url) as connection:
        connection.execute(text("UPDATE collections SET revision = 3"))
        connection.execute(text("UPDATE images SET revision = 1, title = 'of before' WHERE id = 'a'"))
        connection.commit()
    assert titles(await catalog.joined(head, uids)) == ["of before", "title of b", "title of c"]


@on_a_server
async def test_who_is_told_late_forgets_nothing_that_has_been_caught_up_with(
    catalog: SqlCatalog,
    catalog_url: str,
    other: SqlCatalog,
    head: Head,
    uids: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await joined_for_good(catalog, head, uids)
    ask = catalog._asked

    async def overtaken(*given: Any, **uids: Any) -> Any:
        monkeypatch.setattr(catalog, "_asked", ask)
        rows = await ask(*given, **uids)
        await other.commit(head.collection.uid, [AGAIN])
        assert (await catalog.joined(head, [])).revision == 4
        return rows

    monkeypatch.setattr(catalog, "_asked", overtaken)
    assert (await catalog.joined(head, [])).revision == 3
    told = await catalog.joined(head, [])
    with reads(catalog_url) as counted:
        assert titles(await catalog.joined(head, uids[1:], told)) == ["title of b", "title of c"]
    assert counted == [0]
    assert titles(await catalog.joined(head, uids, told))[0] == "another"


@on_a_server
async def test_an_image_that_goes_while_it_is_read_again_is_not_shown_as_it_was(
    catalog: SqlCatalog,
    other: SqlCatalog,
    head: Head,
    uids: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await catalog.joined(head, uids[:2])
    await other.commit(head.collection.uid, [AGAIN])

    async def removed_first(*given: Any) -> dict[int, Image]:
        await other.commit(head.collection.uid, [Remove("a")])
        return await read_images(*given)

    monkeypatch.setattr(joining, "read_images", removed_first)
    assert titles(await catalog.joined(head, uids)) == ["title of b", "title of c"]


async def test_it_tells_ahead_where_others_write_and_most_is_remembered(
    catalog_url: str, clock: MovableClock, head: Head
) -> None:
    for remembered, tells in ((4, True), (3, False)):
        catalog = await SqlCatalog.open(catalog_url, clock, remembered=remembered)
        await catalog.warm()
        assert catalog.tells_ahead() == (tells and not catalog_url.startswith("sqlite"))
        await catalog.close()


def test_no_tombstone_is_pruned_that_is_still_to_be_caught_up_with() -> None:
    assert 2 * joining.LONGEST <= REQUEST_AGE


@on_a_server
async def test_it_is_one_read_whatever_is_remembered(
    catalog: SqlCatalog, catalog_url: str, head: Head, pictures: Collection
) -> None:
    commit = await catalog.commit(pictures.uid, [put(f"i{n}") for n in range(150)])
    uids = [image_written(commit, n).uid for n in range(150)]
    await catalog.joined(head, [])  # has a connection
    for some in (uids[:100], uids, uids, []):
        with reads(catalog_url) as counted:
            assert len((await catalog.joined(head, some)).images) == len(some)
        assert counted == [1]

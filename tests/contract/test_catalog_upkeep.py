"""The Catalog port's promises to backups, purges, rebuilds and those who change collections."""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from soutu.adapters.catalog import SqlCatalog
from soutu.domain.collection import AttributeType, Collection, CollectionChanges, GenerationState
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.image import Keeping, Origin, Original
from soutu.domain.operation import Operation, OperationKind, OperationState
from soutu.domain.writing import Checkpoint, Failure, Put, Remove, Request
from soutu.ports import Catalog
from tests.contract.catalog_fixtures import (
    DRAFT,
    MODEL,
    MovableClock,
    at,
    content,
    image_written,
    put,
    reason,
)
from tests.contract.databases import tables_that_hold

SECRET = "zanzibarquokka"
ON_A_FILE = pytest.mark.parametrize("catalog_url", ["sqlite"], indirect=True)
ON_A_SERVER = pytest.mark.parametrize("catalog_url", ["mariadb"], indirect=True)


async def running(catalog: Catalog, kind: OperationKind, collection_uid: int) -> Operation:
    request = {"ids": [SECRET]} if kind is OperationKind.PURGE else {}
    await catalog.create_operation(kind, collection_uid, "pictures", request)
    claimed = await catalog.claim_operation("me", 60)
    assert claimed is not None
    return claimed


def traces(directory: Path, text: str) -> list[str]:
    return [
        file.name for file in directory.iterdir() if file.is_file() and text.encode() in file.read_bytes()
    ]


# Snapshots


@ON_A_FILE
async def test_a_snapshot_is_one_moment_however_much_is_written(
    catalog: Catalog, pictures: Collection, tmp_path: Path, clock: MovableClock
) -> None:
    await catalog.commit(pictures.uid, [put(f"a{number}") for number in range(200)])
    path = tmp_path / "copy.db"
    copying = asyncio.create_task(catalog.snapshot(path))
    for number in range(20):
        await catalog.commit(pictures.uid, [put(f"b{number}")])
    snapshot = await copying
    assert (snapshot.moment, snapshot.collection_count) == (clock.now(), 1)
    copied = await SqlCatalog.open(f"sqlite+aiosqlite:///{path}", clock)
    head = await copied.head("pictures")
    images = await copied.list_images(head.collection.uid, "", 1_000)
    assert len(images) == head.collection.image_count == snapshot.image_count == head.collection.revision
    assert len(images) >= 200
    vectors = await copied.embeddings(MODEL, [image.content.sha256 for image in images])
    assert len(vectors) == len(images)
    await copied.close()


@ON_A_SERVER
async def test_a_server_is_not_copied_by_us(catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(SoutuError) as refused:
        catalog.check_snapshots()
    with pytest.raises(SoutuError) as not_made:
        await catalog.snapshot(tmp_path / "copy.db")
    assert refused.value.reason is not_made.value.reason is Reason.BACKUP_UNSUPPORTED
    assert not (tmp_path / "copy.db").exists()


@ON_A_FILE
async def test_a_snapshot_knows_whose_bytes_it_needs_and_leaves_running_backups_out(
    catalog: Catalog, pictures: Collection, tmp_path: Path
) -> None:
    await running(catalog, OperationKind.BACKUP, 0)
    build = await running(catalog, OperationKind.BUILD, pictures.uid)
    mine = Original(Keeping.REFERENCED, "/home/me/a.jpg")
    await catalog.commit(pictures.uid, [put("kept"), put("mine", original=mine), put("gone")])
    await catalog.commit(pictures.uid, [Remove("gone")])
    await catalog.snapshot(tmp_path / "copy.db")
    sha256 = content("kept").sha256
    assert await catalog.snapshot_contents(tmp_path / "copy.db", sha256[:2]) == [sha256]
    everything = [
        each
        for number in range(256)
        for each in await catalog.snapshot_contents(tmp_path / "copy.db", f"{number:02x}")
    ]
    assert everything == [sha256]
    with closing(sqlite3.connect(tmp_path / "copy.db")) as database:
        assert database.execute("SELECT id FROM operations").fetchall() == [(build.id,)]


# Purges


async def test_a_purge_leaves_nothing_of_an_image(
    catalog: Catalog, pictures: Collection, tmp_path: Path, catalog_url: str
) -> None:
    origin = Origin("/src", f"{SECRET}/a.jpg")
    request = Request("r1", "0" * 64)
    metadata = replace(put(SECRET).metadata, title=f"{SECRET} title")
    await catalog.commit(pictures.uid, [put(f"other{number}") for number in range(300)])
    await catalog.commit(
        pictures.uid, [put(SECRET, "its bytes", origin=origin, metadata=metadata)], request=request
    )
    build = await running(catalog, OperationKind.BUILD, pictures.uid)
    named = (
        Failure(origin.path, "IMAGE_UNREADABLE", "no"),
        Failure("x", "y", f"The image {SECRET} was deleted."),
    )
    await catalog.commit(
        pictures.uid,
        [],
        checkpoint=Checkpoint(build.uid, f'"{origin.path}"', 1, 1, (*named, Failure("z", "y", ""))),
    )
    await catalog.finish_operation(build.uid, "me", OperationState.SUCCEEDED, build.progress)
    earlier = await running(catalog, OperationKind.PURGE, pictures.uid)
    await catalog.finish_operation(earlier.uid, "me", OperationState.CANCELLED, earlier.progress)
    purge = await running(catalog, OperationKind.PURGE, pictures.uid)
    await catalog.commit(pictures.uid, [Remove(SECRET)])
    assert tables_that_hold(catalog_url, SECRET)

    assert await catalog.bar_deleted(pictures.uid, [SECRET]) == (1, [content("its bytes").sha256])
    assert not await catalog.hold_contents([content("its bytes")])
    await catalog.forget_contents([content("its bytes").sha256])
    checkpoint = Checkpoint(purge.uid, "done", 1, 0, owner="me")
    await catalog.forget_deleted(pictures.uid, [SECRET], [origin.path], checkpoint)
    await catalog.cut_log()

    assert tables_that_hold(catalog_url, SECRET) == traces(tmp_path, SECRET) == []
    assert traces(tmp_path, content("its bytes").sha256) == []
    assert [failure.subject for _, failure in await catalog.failures(build.uid, 0, 10)] == ["z"]
    assert (await catalog.operation(purge.id)).request == {}
    assert not await catalog.embeddings(MODEL, [content("its bytes").sha256])
    assert await catalog.bar_deleted(pictures.uid, [SECRET]) == (1, [])


async def test_after_a_purge_what_was_under_way_brings_nothing_back(
    catalog: Catalog, pictures: Collection
) -> None:
    origin, request = Origin("/src", "a.jpg"), Request("r1", "0" * 64)
    await catalog.commit(pictures.uid, [put("a", origin=origin)], request=request)
    purge = await running(catalog, OperationKind.PURGE, pictures.uid)
    await catalog.commit(pictures.uid, [Remove("a")])
    await catalog.bar_deleted(pictures.uid, ["a"])
    await catalog.forget_contents([content("a").sha256])
    await catalog.forget_deleted(pictures.uid, ["a"], ["a.jpg"], Checkpoint(purge.uid, "", 0, 0))
    for late in (put("a", started_at=1), put("b", origin=origin, started_at=1), put("c", of="a", held=True)):
        assert reason(await catalog.commit(pictures.uid, [late])) is Reason.IMAGE_CHANGED_MEANWHILE
    retried = await catalog.commit(pictures.uid, [put("a", origin=origin)], request=request)
    assert retried.replayed
    assert reason(retried) is Reason.IMAGE_NOT_FOUND
    assert image_written(await catalog.commit(pictures.uid, [put("a", started_at=2)])).id == "a"


async def test_a_purge_spares_what_another_image_has(catalog: Catalog, pictures: Collection) -> None:
    other = await catalog.create_collection(replace(DRAFT, id="other"))
    await catalog.commit(other.uid, [put("b", of="shared")])
    await catalog.commit(pictures.uid, [put("a", of="shared")])
    await catalog.commit(pictures.uid, [Remove("a")])
    assert await catalog.bar_deleted(pictures.uid, ["a", "never"]) == (1, [])
    assert await catalog.hold_contents([content("shared")])


async def test_a_put_of_held_bytes_that_are_being_removed_fails(
    catalog: Catalog, pictures: Collection
) -> None:
    held = put("new", of="old", held=True)
    assert await catalog.hold_contents([content("old")])
    assert image_written(await catalog.commit(pictures.uid, [held])).id == "new"
    await catalog.commit(pictures.uid, [Remove("new")])
    await catalog.bar_deleted(pictures.uid, ["new"])
    assert reason(await catalog.commit(pictures.uid, [held])) is Reason.IMAGE_CHANGED_MEANWHILE


# Collections and generations


async def test_a_collection_changes_only_as_said(
    catalog: Catalog, pictures: Collection, clock: MovableClock
) -> None:
    first = await catalog.update_collection(pictures.uid, CollectionChanges(description="new"))
    assert (first.description, first.display_name) == ("new", pictures.display_name)
    assert first.etag != pictures.etag
    year = CollectionChanges(attributes={"year": AttributeType.INTEGER})
    second = await catalog.update_collection(pictures.uid, year, first.etag)
    assert second.attributes == {"year": AttributeType.INTEGER}
    assert (await catalog.head("pictures")).collection == second
    with pytest.raises(SoutuError) as stale:
        await catalog.update_collection(pictures.uid, year, first.etag)
    assert stale.value.reason is Reason.ETAG_MISMATCH
    other = CollectionChanges(attributes={"year": AttributeType.STRING})
    with pytest.raises(SoutuError) as changed:
        await catalog.update_collection(pictures.uid, other)
    assert changed.value.reason is Reason.FIELD_INVALID
    with pytest.raises(SoutuError) as missing:
        await catalog.update_collection(pictures.uid + 100, other)
    assert missing.value.reason is Reason.COLLECTION_NOT_FOUND


async def test_numbers_about_a_collection(catalog: Catalog, pictures: Collection) -> None:
    early = replace(content("a").exif, captured_at=datetime(1999, 1, 1, tzinfo=UTC))
    puts: list[Put] = [
        put("a", content=replace(content("a"), exif=early, media_type="image/png")),
        put("b"),
        put("c", of="b"),
    ]
    await catalog.commit(pictures.uid, puts)
    numbers = await catalog.statistics(pictures.uid)
    assert (numbers.image_count, numbers.content_count, numbers.content_bytes) == (3, 2, 2_000)
    assert numbers.media_types == {"image/png": 1, "image/jpeg": 2}
    assert numbers.earliest_capture_time == early.captured_at
    assert numbers.latest_capture_time == content("b").exif.captured_at


async def test_a_generation_takes_anothers_place(
    catalog: Catalog, pictures: Collection, clock: MovableClock
) -> None:
    await catalog.commit(pictures.uid, [put("a")])
    old = (await catalog.head("pictures")).generation
    clock.move(timedelta(hours=1).total_seconds())
    new = await catalog.create_replacement(old, "g1~")
    assert await catalog.create_replacement(old, "g1~") == new
    assert (new.state, new.followed) == (GenerationState.BUILDING, 0)
    assert not await catalog.replace_generation(old, new, at(0))
    assert await catalog.replace_generation(old, new, at(1))
    head = await catalog.head("pictures")
    assert head.collection.active_generation == head.generation.uid == new.uid
    assert head.generation == replace(old, uid=new.uid, followed=new.followed)
    assert [each.uid for each in await catalog.generations(pictures.uid)] == [new.uid]
    assert len(await catalog.embeddings(MODEL, [content("a").sha256])) == 1
    with pytest.raises(SoutuError) as gone:
        await catalog.replace_generation(old, new, at(1))
    assert gone.value.reason is Reason.GENERATION_NOT_FOUND


async def test_the_default_of_candidates_is_kept(catalog: Catalog, pictures: Collection) -> None:
    generation = (await catalog.head("pictures")).generation
    await catalog.set_candidates(generation.uid, 64)
    assert (await catalog.head("pictures")).generation.index.candidates == 64

"""The Catalog port's promises on files behind images: what is known of them, and that they may move."""

import pytest

from soutu.domain.collection import Collection
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.image import Keeping, KnownFile, Origin, Original
from soutu.domain.operation import OperationKind, OperationState, Progress
from soutu.domain.writing import Move, Put, Remove
from soutu.ports import Catalog
from tests.contract.catalog_fixtures import MODEL, content, image_written, put, reason, written

THERE = Original(Keeping.REFERENCED, "/s/there.jpg", 99)


def came_from(image_id: str, path: str, source: str = "/s") -> Put:
    original = Original(Keeping.REFERENCED, f"{source}/{path}", 11, "9-8-ab")
    return put(image_id, origin=Origin(source, path), original=original)


async def test_files_are_known_by_source(catalog: Catalog, pictures: Collection) -> None:
    puts = [came_from("a", "x.jpg"), came_from("b", "y.jpg"), came_from("c", "x.jpg", "/other"), put("d")]
    commit = await catalog.commit(pictures.uid, puts)
    first, second = image_written(commit), image_written(commit, 1)
    expected = [
        KnownFile(
            image.uid, image.id, image.revision, path, 1000, 11, content(image.id).sha256, kept, "9-8-ab"
        )
        for image, path, kept in (
            (first, "x.jpg", Keeping.REFERENCED),
            (second, "y.jpg", Keeping.REFERENCED),
        )
    ]
    assert list(await catalog.known_files(pictures.uid, "/s", 0, 10)) == expected
    assert list(await catalog.known_files(pictures.uid, "/s", first.uid, 10)) == expected[1:]
    assert list(await catalog.known_files(pictures.uid, "/s", 0, 1)) == expected[:1]
    assert expected[0].etag == first.etag
    assert await catalog.known_files(pictures.uid, "/nowhere", 0, 10) == []


async def test_a_moved_image_is_the_same_image(catalog: Catalog, pictures: Collection) -> None:
    before = image_written(await catalog.commit(pictures.uid, [came_from("a", "here.jpg")]))
    move = Move("a", Origin("/s", "there.jpg"), THERE, before.etag)
    moved = image_written(await catalog.commit(pictures.uid, [move]))
    assert (moved.uid, moved.content, moved.metadata) == (before.uid, before.content, before.metadata)
    assert (moved.origin, moved.original, moved.revision) == (Origin("/s", "there.jpg"), THERE, 2)
    found = await catalog.images_by_path(pictures.uid, "/s", ["here.jpg", "there.jpg"])
    assert found == {"there.jpg": moved}
    assert [each.revision for each in await catalog.changes(pictures.uid, MODEL, 1, 10)] == [2]


async def test_the_place_of_a_moved_image_is_free_at_once(catalog: Catalog, pictures: Collection) -> None:
    await catalog.commit(pictures.uid, [came_from("a", "here.jpg")])
    move = Move("a", Origin("/s", "there.jpg"), THERE)
    commit = await catalog.commit(pictures.uid, [move, came_from("b", "here.jpg")])
    assert written(commit, 1).created


async def test_a_move_onto_another_image_is_refused(catalog: Catalog, pictures: Collection) -> None:
    await catalog.commit(pictures.uid, [came_from("a", "here.jpg"), came_from("b", "there.jpg")])
    move = Move("a", Origin("/s", "there.jpg"), THERE)
    commit = await catalog.commit(pictures.uid, [move, Remove("b"), Move("a", move.origin, THERE)])
    assert reason(commit) is Reason.IMAGE_EXISTS
    assert image_written(commit, 2).origin == move.origin


async def test_only_the_image_that_was_meant_is_moved(catalog: Catalog, pictures: Collection) -> None:
    await catalog.commit(pictures.uid, [came_from("a", "here.jpg")])
    origin = Origin("/s", "\ud800.jpg")
    moves = [
        Move("a", Origin("/s", "x"), THERE, etag="1-99"),
        Move("b", Origin("/s", "x"), THERE),
        Move("a", origin, THERE),
    ]
    commit = await catalog.commit(pictures.uid, moves)
    assert [reason(commit, number) for number in range(3)] == [
        Reason.ETAG_MISMATCH,
        Reason.IMAGE_NOT_FOUND,
        Reason.FIELD_INVALID,
    ]
    assert commit.revision == 1


async def test_a_collection_is_filled_by_one_operation_at_a_time(
    catalog: Catalog, pictures: Collection
) -> None:
    async def begin(kind: OperationKind, uid: int = pictures.uid) -> None:
        await catalog.create_operation(kind, uid, "pictures", {})

    await begin(OperationKind.BUILD)
    for kind in (OperationKind.BUILD, OperationKind.SYNC, OperationKind.IMPORT):
        with pytest.raises(SoutuError) as failure:
            await begin(kind)
        assert failure.value.reason is Reason.COLLECTION_BUSY
    await begin(OperationKind.EXPORT)
    await begin(OperationKind.BUILD, pictures.uid + 1)
    operation = await catalog.claim_operation("me", 30)
    assert operation is not None
    await catalog.finish_operation(operation.uid, "me", OperationState.SUCCEEDED, Progress())
    await begin(OperationKind.SYNC)


async def test_one_backup_is_made_at_a_time(catalog: Catalog) -> None:
    await catalog.create_operation(OperationKind.BACKUP, 0, "", {"path": "/b"})
    with pytest.raises(SoutuError) as failure:
        await catalog.create_operation(OperationKind.BACKUP, 0, "", {"path": "/other"})
    assert failure.value.reason is Reason.BACKUP_RUNNING
    operation = await catalog.claim_operation("me", 30)
    assert operation is not None
    await catalog.finish_operation(operation.uid, "me", OperationState.SUCCEEDED, Progress())
    await catalog.create_operation(OperationKind.BACKUP, 0, "", {"path": "/b"})

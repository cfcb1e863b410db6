"""Syncs: a collection agrees with a directory, whatever has become of its files."""

import io
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from soutu.client import Client, SoutuCallError
from soutu.v1.collection_service_pb2 import (
    OperationMetadata,
    PlannedChange,
    Source,
    SyncCollectionResponse,
    TarSource,
)
from soutu.v1.image_pb2 import KEEPING_REFERENCED, Image
from tests.flows import pictures
from tests.flows.cli import soutu
from tests.flows.refusals import refused
from tests.flows.served import Served, until

SYNC_S = 60.0
ADD, CHANGE, MOVE, DELETE = (
    PlannedChange.ACTION_ADD,
    PlannedChange.ACTION_CHANGE,
    PlannedChange.ACTION_MOVE,
    PlannedChange.ACTION_DELETE,
)


@pytest.fixture
def directory(build_root: Path, request: pytest.FixtureRequest) -> Path:
    """A directory of 6 pictures below the shared server's root; three of them lie a level deeper."""
    return filled(build_root / request.node.name, 6)


def filled(directory: Path, count: int) -> Path:
    (directory / "below").mkdir(parents=True)
    for number in range(count):
        write(directory / ("below" if number % 2 else "") / f"p{number:04}.jpg", number)
    return directory


def write(file: Path, seed: int) -> None:
    file.write_bytes(pictures.jpeg(seed, 96, 72))


def sync(client: Client, collection: str, directory: Path, **how: bool) -> SyncCollectionResponse:
    return client.collections.sync(collection, directory, **how).wait(SYNC_S)  # type: ignore[arg-type]


def counts(done: SyncCollectionResponse) -> tuple[int, ...]:
    return done.added, done.changed, done.moved, done.vanished, done.unchanged, done.failed


def plan(done: SyncCollectionResponse) -> list[tuple[int, str, str]]:
    return [(each.action, each.path, each.former_path) for each in done.plan]


def images(client: Client, collection: str) -> dict[str, Image]:
    return {image.origin.path: image for image in client.images.list(collection)}


def test_a_sync_does_what_its_dry_run_says(client: Client, collection: str, directory: Path) -> None:
    assert counts(sync(client, collection, directory)) == (6, 0, 0, 0, 0, 0)
    before = images(client, collection)
    write(directory / "new.jpg", 100)
    write(directory / "p0000.jpg", 101)
    (directory / "p0002.jpg").rename(directory / "below" / "renamed.jpg")
    (directory / "p0004.jpg").unlink()
    os.utime(directory / "below" / "p0001.jpg", ns=(1, 10**18))
    foretold = sync(client, collection, directory, dry_run=True)
    assert images(client, collection) == before
    assert counts(foretold) == (1, 1, 1, 1, 3, 0)
    assert plan(foretold) == [
        (ADD, "new.jpg", ""),
        (CHANGE, "p0000.jpg", ""),
        (MOVE, "below/renamed.jpg", "p0002.jpg"),
        (DELETE, "p0004.jpg", ""),
    ]
    done = sync(client, collection, directory)
    assert (counts(done), plan(done)) == (counts(foretold), plan(foretold))
    assert done.revision == client.collections.get(collection).revision
    after = images(client, collection)
    assert set(after) == {
        "new.jpg",
        "p0000.jpg",
        *(f"below/{name}.jpg" for name in ("p0001", "p0003", "p0005", "renamed")),
    }
    assert after["p0000.jpg"].uid == before["p0000.jpg"].uid
    assert after["p0000.jpg"].content.sha256 != before["p0000.jpg"].content.sha256
    assert counts(sync(client, collection, directory)) == (0, 0, 0, 0, 6, 0)


def test_a_dry_run_tells_of_files_that_failed_before(
    client: Client, server: Served, collection: str, directory: Path
) -> None:
    (directory / "broken.jpg").write_bytes(b"no picture")
    assert counts(sync(client, collection, directory)) == (6, 0, 0, 0, 0, 1)
    write(directory / "new.jpg", 100)
    foretold = sync(client, collection, directory, dry_run=True)
    assert (foretold.added, foretold.failed_before) == (2, 1)
    told = soutu("--address", server.address, "sync", str(directory), "-c", collection, "--dry-run")
    assert "Of these files 1 failed the last time, too." in told
    assert counts(sync(client, collection, directory)) == (1, 0, 0, 0, 6, 1)
    assert sync(client, collection, directory, dry_run=True).failed_before == 1
    write(directory / "broken.jpg", 101)
    assert counts(sync(client, collection, directory)) == (1, 0, 0, 0, 7, 0)
    assert sync(client, collection, directory, dry_run=True).failed_before == 0


def test_a_moved_file_keeps_its_image(client: Client, collection: str, directory: Path) -> None:
    sync(client, collection, directory)
    before = images(client, collection)["below/p0001.jpg"]
    client.images.update(before.name, title="Mine", tags=["kept"])
    (directory / "below").rename(directory / "elsewhere")
    done = sync(client, collection, directory)
    assert counts(done) == (0, 0, 3, 0, 3, 0)
    after = images(client, collection)["elsewhere/p0001.jpg"]
    assert (after.name, after.uid) == (before.name, before.uid)
    assert (after.title, list(after.tags)) == ("Mine", ["kept"])
    buffer = io.BytesIO()
    client.images.download(after.name, buffer)
    assert buffer.getvalue() == (directory / "elsewhere" / "p0001.jpg").read_bytes()
    (match, *_) = client.search(collection, buffer.getvalue(), min_revision=done.revision).matches
    assert match.image.origin.path == "elsewhere/p0001.jpg"


def test_the_path_of_a_moved_file_may_be_taken_at_once(
    client: Client, collection: str, directory: Path
) -> None:
    sync(client, collection, directory)
    before = images(client, collection)["p0000.jpg"]
    (directory / "p0000.jpg").rename(directory / "first.jpg")
    sync(client, collection, directory)
    write(directory / "p0000.jpg", 200)
    assert counts(sync(client, collection, directory)) == (1, 0, 0, 0, 6, 0)
    after = images(client, collection)
    assert after["first.jpg"].uid == before.uid
    assert after["p0000.jpg"].name != before.name
    assert len(after) == 7


def test_what_has_vanished_may_be_kept(client: Client, collection: str, directory: Path) -> None:
    sync(client, collection, directory)
    (directory / "p0000.jpg").unlink()
    done = sync(client, collection, directory, keep_vanished=True)
    assert counts(done) == (0, 0, 0, 0, 5, 0)
    assert "p0000.jpg" in images(client, collection)
    assert counts(sync(client, collection, directory)) == (0, 0, 0, 1, 5, 0)


def test_a_file_may_come_back(client: Client, collection: str, directory: Path) -> None:
    sync(client, collection, directory)
    data = (directory / "p0000.jpg").read_bytes()
    (directory / "p0000.jpg").unlink()
    sync(client, collection, directory)
    (directory / "p0000.jpg").write_bytes(data)
    assert counts(sync(client, collection, directory)) == (1, 0, 0, 0, 5, 0)


@pytest.mark.parametrize("how", ["gone", "empty"])
def test_a_disk_that_is_not_mounted_deletes_nothing(
    client: Client, collection: str, directory: Path, how: str
) -> None:
    sync(client, collection, directory)
    shutil.rmtree(directory)
    if how == "empty":
        directory.mkdir()
    with refused("SOURCE_NOT_FOUND"):
        sync(client, collection, directory)
    assert len(images(client, collection)) == 6


def test_uploads_and_other_sources_are_left_alone(
    client: Client, collection: str, directory: Path, build_root: Path
) -> None:
    client.images.upload(collection, pictures.jpeg(50), image_id="mine")
    other = filled(build_root / f"other of {collection}", 2)
    sync(client, collection, other)
    assert counts(sync(client, collection, directory)) == (6, 0, 0, 0, 0, 0)
    shutil.rmtree(directory / "below")
    assert counts(sync(client, collection, directory)) == (0, 0, 0, 3, 3, 0)
    assert client.images.count(collection) == 1 + 2 + 3


def test_broken_files_are_failures(client: Client, collection: str, directory: Path) -> None:
    sync(client, collection, directory)
    (directory / "p0000.jpg").write_bytes(b"overwritten with something else")
    (directory / "broken.jpg").write_bytes(b"nothing")
    operation = client.collections.sync(collection, directory)
    assert counts(operation.wait(SYNC_S)) == (0, 0, 0, 0, 5, 2)
    assert {each.subject for each in operation.failures()} == {"p0000.jpg", "broken.jpg"}
    assert images(client, collection)["p0000.jpg"].keeping == KEEPING_REFERENCED


def test_what_cannot_be_synced_is_refused(client: Client, collection: str, directory: Path) -> None:
    with refused("FEATURE_UNIMPLEMENTED", "source.tar"):
        client.collections.sync(collection, Source(tar=TarSource(path=str(directory))))
    with refused("FIELD_INVALID", "source"):
        client.collections.sync(collection, Source())
    with refused("FIELD_INVALID", "watch"):
        client.collections.sync(collection, directory, watch=True, dry_run=True)
    with refused("SOURCE_NOT_ALLOWED"):
        client.collections.sync(collection, Path("/etc"))
    with refused("COLLECTION_NOT_FOUND"):
        client.collections.sync("none", directory)


def test_a_watch_follows_its_directory_until_cancelled(
    client: Client, collection: str, directory: Path
) -> None:
    watch = client.collections.sync(collection, directory, watch=True)
    until(lambda: client.images.count(collection) == 6)
    before = images(client, collection)
    write(directory / "new.jpg", 300)
    until(lambda: "new.jpg" in images(client, collection))
    (directory / "p0000.jpg").rename(directory / "moved.jpg")
    until(lambda: "moved.jpg" in images(client, collection))
    assert images(client, collection)["moved.jpg"].uid == before["p0000.jpg"].uid
    (directory / "p0002.jpg").unlink()
    until(lambda: "p0002.jpg" not in images(client, collection))
    with refused("COLLECTION_BUSY"):
        client.collections.build(collection, directory)
    watch.cancel()
    with pytest.raises(SoutuCallError, match="OPERATION_CANCELLED"):
        watch.wait(SYNC_S)
    write(directory / "late.jpg", 301)
    assert counts(sync(client, collection, directory)) == (1, 0, 0, 0, 6, 0)


@pytest.mark.slow
def test_a_watch_waits_for_a_directory_that_is_away(client: Client, collection: str, directory: Path) -> None:
    watch = client.collections.sync(collection, directory, watch=True)
    until(lambda: client.images.count(collection) == 6)
    away = directory.with_name("away")
    directory.rename(away)
    time.sleep(6)
    assert client.images.count(collection) == 6
    away.rename(directory)
    write(directory / "new.jpg", 400)
    until(lambda: client.images.count(collection) == 7)
    watch.cancel()
    until(lambda: client.operations.get(watch.name).done)


@pytest.mark.slow
def test_a_killed_sync_resumes_and_doubles_nothing(lone_server: Served, tmp_path: Path) -> None:
    directory = filled(tmp_path / "pictures" / "many", 400)
    lone_server.client.collections.create("c")
    sync(lone_server.client, "c", directory)
    before = images(lone_server.client, "c")
    (directory / "below").rename(directory / "moved")
    for number in range(0, 400, 4):
        (directory / f"p{number:04}.jpg").unlink()
    for number in range(1_000, 1_300):
        write(directory / f"n{number}.jpg", number)
    (directory / "broken.jpg").write_bytes(b"broken")
    name = lone_server.client.collections.sync("c", directory).name
    for enough in (410, 600):
        until(lambda least=enough: lone_server.client.images.count("c") >= least)  # type: ignore[misc]
        lone_server.process.send_signal(signal.SIGSTOP)
        lone_server.kill()
        lone_server.restart()
    client = lone_server.client
    client.operations.wait(name, SYNC_S)
    after = images(client, "c")
    assert len(list(client.images.list("c"))) == len(after) == 600
    on_disk = {file.relative_to(directory).as_posix() for file in directory.rglob("*.jpg")}
    assert set(after) == on_disk - {"broken.jpg"}
    for path in (f"p{number:04}.jpg" for number in range(1, 400, 2)):
        assert after[f"moved/{path}"].uid == before[f"below/{path}"].uid
    assert [each.subject for each in client.operations.failures(name)] == ["broken.jpg"]
    metadata = OperationMetadata()
    client.operations.get(name).metadata.Unpack(metadata)
    assert (metadata.failed, metadata.done) == (1, metadata.total)
    done = SyncCollectionResponse()
    client.operations.get(name).response.Unpack(done)
    assert counts(done) == (300, 0, 200, 100, 100, 1)


@pytest.mark.slow
def test_a_watch_survives_a_restart(lone_server: Served, tmp_path: Path) -> None:
    directory = filled(tmp_path / "pictures" / "watched", 6)
    lone_server.client.collections.create("c")
    lone_server.client.collections.sync("c", directory, watch=True)
    until(lambda: lone_server.client.images.count("c") == 6)
    lone_server.kill()
    (directory / "p0000.jpg").unlink()
    lone_server.restart()
    until(lambda: lone_server.client.images.count("c") == 5)
    write(directory / "new.jpg", 500)
    until(lambda: lone_server.client.images.count("c") == 6)

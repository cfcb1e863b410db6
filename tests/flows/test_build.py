"""Builds: a directory becomes a collection, whatever happens on the way."""

import io
import os
import time
from functools import partial
from pathlib import Path

import pytest

from soutu.client import Client, SoutuCallError
from soutu.v1.collection_service_pb2 import (
    BuildCollectionResponse,
    DirectorySource,
    OperationMetadata,
    Source,
)
from soutu.v1.image_pb2 import KEEPING_REFERENCED, KEEPING_STORED
from tests.flows import pictures
from tests.flows.refusals import refused
from tests.flows.served import Served, until

BUILD_S = 60.0


@pytest.fixture
def source(build_root: Path, request: pytest.FixtureRequest) -> Path:
    """A directory of 9 pictures below the shared server's root; four of them lie a level deeper."""
    return filled(build_root / request.node.name, 9)


def filled(directory: Path, count: int) -> Path:
    (directory / "below").mkdir(parents=True)
    for number in range(count):
        file = directory / ("below" if number % 2 else "") / f"p{number:04}.jpg"
        file.write_bytes(pictures.jpeg(number, 96, 72))
    return directory


def paths_of(directory: Path) -> list[str]:
    return sorted(file.relative_to(directory).as_posix() for file in directory.rglob("*.jpg"))


def built_paths(client: Client, collection: str) -> list[str]:
    return sorted(image.origin.path for image in client.images.list(collection))


def build(client: Client, collection: str, directory: Path) -> BuildCollectionResponse:
    return client.collections.build(collection, directory).wait(BUILD_S)


def counts(done: BuildCollectionResponse) -> tuple[int, int, int]:
    return done.added, done.unchanged, done.failed


def state_of(directory: Path) -> dict[str, tuple[int, bytes]]:
    return {str(file): (file.stat().st_mtime_ns, file.read_bytes()) for file in directory.rglob("*.*")}


def test_a_directory_becomes_a_collection_that_is_searched(
    client: Client, collection: str, source: Path
) -> None:
    done = build(client, collection, source)
    assert counts(done) == (9, 0, 0)
    assert built_paths(client, collection) == paths_of(source)
    answer = client.search(collection, pictures.jpeg(3, 96, 72), min_revision=done.revision)
    best = answer.matches[0].image
    assert (best.origin.path, best.origin.source) == ("below/p0003.jpg", str(source))
    assert (best.title, best.keeping) == ("p0003.jpg", KEEPING_REFERENCED)


def test_progress_runs_to_the_end(client: Client, collection: str, source: Path) -> None:
    seen = list(client.collections.build(collection, source).progress(0.02))
    assert [each.done for each in seen] == sorted(each.done for each in seen)
    last = seen[-1]
    assert last.state == OperationMetadata.STATE_SUCCEEDED
    assert (last.total, last.done, last.failed) == (9, 9, 0)
    assert (last.kind, last.target) == ("build", f"collections/{collection}")
    assert last.end_time.ToDatetime() >= last.start_time.ToDatetime() >= last.create_time.ToDatetime()


def test_broken_files_are_listed_with_their_reasons_and_stop_nothing(
    client: Client, collection: str, source: Path
) -> None:
    expected = {}
    for number, (data, reason) in enumerate(pictures.poison().values()):
        name = f"broken {number}.jpg"
        (source / name).write_bytes(data)
        expected[name] = reason
    (source / "notes.txt").write_text("no picture by its name")
    (source / ".hidden.jpg").write_bytes(pictures.jpeg(1))
    operation = client.collections.build(collection, source)
    assert counts(operation.wait(BUILD_S)) == (9, 0, len(expected))
    assert {failure.subject: failure.reason for failure in operation.failures()} == expected
    assert all(failure.message for failure in operation.failures())
    assert client.images.count(collection) == 9


def test_building_again_changes_nothing(client: Client, collection: str, source: Path) -> None:
    first = build(client, collection, source)
    before = list(client.images.list(collection))
    again = build(client, collection, source)
    assert counts(again) == (0, 9, 0)
    assert again.revision == first.revision == client.collections.get(collection).revision
    assert list(client.images.list(collection)) == before


def test_building_again_takes_over_what_is_new_or_changed(
    client: Client, collection: str, source: Path
) -> None:
    build(client, collection, source)
    before = {image.origin.path: image for image in client.images.list(collection)}
    (source / "p0002.jpg").write_bytes(pictures.jpeg(200, 96, 72))
    (source / "new.jpg").write_bytes(pictures.jpeg(201, 96, 72))
    assert counts(build(client, collection, source)) == (2, 8, 0)
    after = {image.origin.path: image for image in client.images.list(collection)}
    assert after["p0002.jpg"].uid == before["p0002.jpg"].uid
    assert after["p0002.jpg"].content.sha256 != before["p0002.jpg"].content.sha256
    assert len(after) == 10


def test_originals_by_reference_are_left_as_they_are(client: Client, collection: str, source: Path) -> None:
    before = state_of(source)
    build(client, collection, source)
    for image in list(client.images.list(collection)):
        client.images.thumbnail(image.name)
        client.images.delete(image.name)
    client.collections.delete(collection, force=True)
    assert state_of(source) == before


@pytest.mark.parametrize("same_time", [False, True])
def test_a_changed_original_is_not_served(
    client: Client, collection: str, source: Path, same_time: bool
) -> None:
    build(client, collection, source)
    file, buffer = source / "p0000.jpg", io.BytesIO()
    (name,) = [image.name for image in client.images.list(collection) if image.origin.path == file.name]
    client.images.download(name, buffer)
    assert buffer.getvalue() == file.read_bytes()
    status, data = file.stat(), bytearray(file.read_bytes())
    data[-20] ^= 1  # the same size
    file.write_bytes(data)
    later_ns = status.st_mtime_ns + (0 if same_time else 10**9)
    os.utime(file, ns=(status.st_atime_ns, later_ns))
    with refused("ORIGINAL_CHANGED"):
        client.images.download(name, io.BytesIO())
    file.unlink()
    with refused("ORIGINAL_GONE"):
        client.images.download(name, io.BytesIO())
    assert client.search(collection, name).matches  # its vector is ours


def test_stored_originals_outlive_their_files(client: Client, collection: str, source: Path) -> None:
    client.collections.build(collection, source, keeping=KEEPING_STORED).wait(BUILD_S)
    picture = (source / "p0000.jpg").read_bytes()
    (source / "p0000.jpg").unlink()
    name = client.search(collection, picture).matches[0].name
    buffer = io.BytesIO()
    client.images.download(name, buffer)
    assert buffer.getvalue() == picture


def test_patterns_choose_the_files(client: Client, collection: str, source: Path) -> None:
    client.collections.build(collection, source, flat=True, exclude=["*4.jpg"]).wait(BUILD_S)
    assert built_paths(client, collection) == ["p0000.jpg", "p0002.jpg", "p0006.jpg", "p0008.jpg"]
    client.collections.build(collection, source, include=["below/*1.jpg"]).wait(BUILD_S)
    assert len(built_paths(client, collection)) == 5


def test_a_source_outside_of_the_roots_is_not_read(
    client: Client, collection: str, build_root: Path, tmp_path: Path
) -> None:
    outside = filled(tmp_path / "outside", 2)
    link = build_root / f"link to {collection}"
    link.symlink_to(outside)
    ways = [
        str(outside),
        str(link),
        f"{build_root}/../{outside.relative_to(build_root.parent.parent)}",
        "/",
        "/etc",
    ]
    ways.append(f"{build_root}/../..{outside}")
    for way in ways:
        with refused("SOURCE_NOT_ALLOWED"):
            client.collections.build(collection, Source(directory=DirectorySource(path=way)))
    assert client.images.count(collection) == 0


def test_links_inside_of_a_source_lead_nowhere(
    client: Client, collection: str, source: Path, tmp_path: Path
) -> None:
    outside = filled(tmp_path / "outside", 2)
    (source / "directory").symlink_to(outside)
    (source / "file.jpg").symlink_to(outside / "p0000.jpg")
    assert counts(build(client, collection, source)) == (9, 0, 0)


@pytest.mark.parametrize(
    ("path", "reason"),
    [("missing", "SOURCE_NOT_FOUND"), ("file.jpg", "SOURCE_NOT_FOUND"), ("x" * 300, "SOURCE_NOT_FOUND")],
)
def test_a_source_that_is_no_directory_is_refused(
    client: Client, collection: str, build_root: Path, path: str, reason: str
) -> None:
    (build_root / "file.jpg").write_bytes(pictures.jpeg(1))
    with refused(reason):
        client.collections.build(collection, build_root / path)


def test_a_relative_path_is_refused(client: Client, collection: str) -> None:
    with refused("FIELD_INVALID", "source.directory.path"):
        client.collections.build(collection, Source(directory=DirectorySource(path="pictures")))


def test_an_empty_source_is_built_at_once(client: Client, collection: str, build_root: Path) -> None:
    (build_root / "empty").mkdir()
    done = build(client, collection, build_root / "empty")
    assert counts(done) == (0, 0, 0)
    assert done.revision == client.collections.get(collection).revision


def test_builds_are_listed_and_forgotten_when_done(client: Client, collection: str, source: Path) -> None:
    operation = client.collections.build(collection, source)
    operation.wait(BUILD_S)
    assert operation.name in {each.name for each in client.operations.list()}
    assert client.operations.get(operation.name).done
    client.operations.cancel(operation.name)  # too late, and without harm
    assert client.operations.get(operation.name).HasField("response")


@pytest.mark.slow
def test_a_cancelled_build_leaves_a_usable_collection(lone_server: Served, tmp_path: Path) -> None:
    client, source = lone_server.client, filled(tmp_path / "pictures" / "many", 600)
    client.collections.create("c")
    operation = client.collections.build("c", source)
    until(lambda: client.images.count("c"))
    operation.cancel()
    with pytest.raises(SoutuCallError) as caught:
        operation.wait(BUILD_S)
    assert caught.value.status == "CANCELLED"
    kept = client.images.count("c")
    assert 0 < kept < 600
    revision = client.images.upload("c", pictures.jpeg(900), image_id="mine").receipt.revision
    assert client.search("c", pictures.jpeg(900), min_revision=revision).matches[0].name.endswith("/mine")
    assert counts(build(client, "c", source)) == (600 - kept, kept, 0)


@pytest.mark.slow
def test_a_killed_build_resumes_and_ends_complete(lone_server: Served, tmp_path: Path) -> None:
    source = filled(tmp_path / "pictures" / "many", 400)
    (source / "broken.jpg").write_bytes(b"no picture")
    lone_server.client.collections.create("c")
    name = lone_server.client.collections.build("c", source).name
    for enough in (1, 200):
        until(partial(has_at_least, lone_server, enough), BUILD_S)
        lone_server.kill()
        lone_server.restart()
    client = lone_server.client
    client.operations.wait(name, BUILD_S)
    images = list(client.images.list("c"))
    assert sorted(image.origin.path for image in images) == [
        each for each in paths_of(source) if each != "broken.jpg"
    ]
    assert [failure.subject for failure in client.operations.failures(name)] == ["broken.jpg"]
    revision = client.collections.get("c").revision
    pages = client.search_pages("c", pictures.jpeg(1, 96, 72), page_size=100, min_revision=revision)
    found = [match.name for page in pages for match in page.matches]
    assert len(found) == 400
    assert set(found) == {image.name for image in images}


def has_at_least(server: Served, count: int) -> bool:
    return server.client.images.count("c") >= count


@pytest.mark.slow
def test_an_image_deleted_while_a_build_runs_stays_deleted(lone_server: Served, tmp_path: Path) -> None:
    client, source = lone_server.client, filled(tmp_path / "pictures" / "many", 300)
    client.collections.create("c")
    build(client, "c", source)
    for file in source.rglob("*.jpg"):  # each will be read again
        os.utime(file, ns=(time.time_ns(), time.time_ns()))
    last = max(client.images.list("c"), key=lambda image: image.origin.path)
    operation = client.collections.build("c", source)
    client.images.delete(last.name)
    done = operation.wait(BUILD_S)
    assert last.origin.path not in built_paths(client, "c")
    assert client.images.count("c") == 299
    assert counts(done) == (299, 0, 1)
    assert [failure.reason for failure in operation.failures()] == ["IMAGE_CHANGED_MEANWHILE"]

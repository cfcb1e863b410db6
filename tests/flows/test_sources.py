"""Builds from archives and manifests, and what is asked of builds besides."""

import io
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from google.longrunning.operations_pb2 import DeleteOperationRequest
from google.protobuf.timestamp_pb2 import Timestamp

from soutu.client import Client
from soutu.v1.attribute_pb2 import (
    ATTRIBUTE_TYPE_INTEGER,
    ATTRIBUTE_TYPE_TIMESTAMP,
    Attribute,
    AttributeValue,
)
from soutu.v1.collection_service_pb2 import (
    BuildCollectionRequest,
    BuildCollectionResponse,
    DirectorySource,
    ManifestSource,
    Source,
    TarSource,
)
from soutu.v1.image_pb2 import KEEPING_REFERENCED, KEEPING_STORED
from tests.flows import pictures
from tests.flows.cli import soutu
from tests.flows.refusals import refusal_of, refused
from tests.flows.served import Served, until

BUILD_S = 60.0


@pytest.fixture
def place(build_root: Path, request: pytest.FixtureRequest) -> Path:
    """A directory of its own below the shared server's root."""
    path = build_root / str(request.node.name)
    path.mkdir()
    return path


def archived(path: Path, members: Mapping[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), 1_000
            tar.addfile(info, io.BytesIO(content))
    return path


def small(seed: int) -> bytes:
    return pictures.jpeg(seed, 96, 72)


def counts(done: BuildCollectionResponse) -> tuple[int, int, int]:
    return done.added, done.unchanged, done.failed


@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".tar.bz2", ".tar.xz"])
def test_an_archive_becomes_a_collection(client: Client, collection: str, place: Path, ending: str) -> None:
    members = {f"{number % 2}/p{number}.jpg": small(number) for number in range(9)}
    mode = "w:" + ending.rpartition(".")[2] if ending != ".tar" else "w"
    archive = archived(place / f"a{ending}", members | {"0/broken.jpg": b"x", "../out.jpg": b"y"}, mode)
    operation = client.collections.build(collection, archive)
    assert counts(operation.wait(BUILD_S)) == (9, 0, 2)
    assert {each.subject: each.reason for each in operation.failures()} == {
        "0/broken.jpg": "IMAGE_FORMAT_UNSUPPORTED",
        "../out.jpg": "SOURCE_NOT_ALLOWED",
    }
    images = {image.origin.path: image for image in client.images.list(collection)}
    assert set(images) == set(members)
    assert {image.keeping for image in images.values()} == {KEEPING_STORED}
    assert counts(client.collections.build(collection, archive).wait(BUILD_S)) == (0, 9, 2)
    archive.unlink()
    buffer = io.BytesIO()
    client.images.download(images["1/p3.jpg"].name, buffer)
    assert buffer.getvalue() == members["1/p3.jpg"]


def test_members_of_an_archive_cannot_be_referred_to(client: Client, collection: str, place: Path) -> None:
    archive = archived(place / "a.tar", {"a.jpg": small(1)})
    with refused("FIELD_INVALID", "keeping"):
        client.collections.build(collection, archive, keeping=KEEPING_REFERENCED)


def typed_collection(client: Client, name: str) -> None:
    client.collections.create(
        name,
        attributes={
            "stars": Attribute(type=ATTRIBUTE_TYPE_INTEGER),
            "when": Attribute(type=ATTRIBUTE_TYPE_TIMESTAMP),
        },
    )


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_manifest_becomes_a_collection_with_metadata(client: Client, place: Path, ending: str) -> None:
    collection = f"typed{ending}"
    typed_collection(client, collection)
    for number in range(3):
        (place / f"p{number}.jpg").write_bytes(small(number))
    manifest = write_manifest(place / f"list{ending}")
    operation = client.collections.build(collection, manifest)
    assert counts(operation.wait(BUILD_S)) == (2, 0, 2)
    assert {each.subject: each.reason for each in operation.failures()} == {
        "gone.jpg": "ORIGINAL_GONE",
        "p2.jpg": "FIELD_INVALID",
    }
    image = client.images.get(f"collections/{collection}/images/first")
    moment = Timestamp()
    moment.FromJsonString("2020-01-02T03:04:05Z")
    assert (image.title, list(image.tags), image.rating) == ("One", ["sea", "sun"], 4)
    assert dict(image.attributes) == {
        "stars": AttributeValue(integer_value=7),
        "when": AttributeValue(timestamp_value=moment),
    }
    assert (image.origin.path, image.keeping) == ("p0.jpg", KEEPING_REFERENCED)
    other = next(each for each in client.images.list(collection) if each.origin.path == "p1.jpg")
    assert (other.title, list(other.tags)) == ("p1.jpg", [])
    client.collections.delete(collection, force=True)


def write_manifest(path: Path) -> Path:
    rows = [
        ("p0.jpg", "first", "One", "sea;sun", "4", "7", "2020-01-02T03:04:05Z"),
        ("gone.jpg", "", "", "", "", "", ""),
        ("p1.jpg", "", "", "", "", "", ""),
        ("p2.jpg", "", "", "", "9", "", ""),
    ]
    names = ["path", "image_id", "title", "tags", "rating", "attributes.stars", "attributes.when"]
    if path.suffix == ".csv":
        path.write_text("\n".join(",".join(row) for row in [names, *rows]))
        return path
    import pyarrow
    from pyarrow import parquet

    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    parquet.write_table(pyarrow.table(columns), path)
    return path


def test_what_a_manifest_says_is_taken_over_later(client: Client, collection: str, place: Path) -> None:
    for number in range(2):
        (place / f"p{number}.jpg").write_bytes(small(number))
    manifest = place / "list.csv"
    manifest.write_text("path,title\np0.jpg,Zero\np1.jpg,One\n")
    client.collections.build(collection, manifest).wait(BUILD_S)
    manifest.write_text("path,title,category\np0.jpg,Zero,\np1.jpg,Uno,x\n")
    assert counts(client.collections.build(collection, manifest).wait(BUILD_S)) == (1, 1, 0)
    titles = {each.origin.path: (each.title, each.category) for each in client.images.list(collection)}
    assert titles == {"p0.jpg": ("Zero", ""), "p1.jpg": ("Uno", "x")}


def test_an_id_that_is_taken_is_a_failure(client: Client, collection: str, place: Path) -> None:
    client.images.upload(collection, small(9), image_id="mine")
    for number in range(3):
        (place / f"p{number}.jpg").write_bytes(small(number))
    manifest = place / "list.csv"
    manifest.write_text("path,image_id\np0.jpg,mine\np1.jpg,twice\np2.jpg,twice\n")
    operation = client.collections.build(collection, manifest)
    assert counts(operation.wait(BUILD_S)) == (1, 0, 2)
    assert [(each.subject, each.reason) for each in operation.failures()] == [
        ("p0.jpg", "IMAGE_EXISTS"),
        ("p2.jpg", "IMAGE_EXISTS"),
    ]
    assert client.images.get(f"collections/{collection}/images/mine").title == ""


def test_the_command_line_builds_failures_again(
    server: Served, client: Client, collection: str, place: Path
) -> None:
    for number in range(3):
        (place / f"p{number}.jpg").write_bytes(b"broken" if number else small(number))
    first = client.collections.build(collection, place)
    assert counts(first.wait(BUILD_S)) == (1, 0, 2)
    (place / "p1.jpg").write_bytes(small(1))
    build = "--address", server.address, "build", "--collection", collection
    told = soutu(*build, "--retry", first.name)
    assert "1 added, 0 unchanged, 1 failed" in told
    assert "p2.jpg" in told
    assert "SOURCE is missing" in soutu(*build, ok=False)
    assert "No operation" in soutu(*build, "--retry", "operations/none", ok=False)


def test_failures_are_built_again_on_request(client: Client, collection: str, place: Path) -> None:
    for number in range(4):
        (place / f"p{number}.jpg").write_bytes(small(number))
    (place / "p1.jpg").write_bytes(b"broken")
    (place / "p2.jpg").write_bytes(b"broken, too")
    first = client.collections.build(collection, place, keeping=KEEPING_STORED)
    assert counts(first.wait(BUILD_S)) == (2, 0, 2)
    (place / "p1.jpg").write_bytes(small(1))
    (place / "new.jpg").write_bytes(small(5))  # did not fail: is none of the retry's business
    again = client.collections.retry_failures(collection, first.name)
    assert counts(again.wait(BUILD_S)) == (1, 0, 1)
    assert [each.subject for each in again.failures()] == ["p2.jpg"]
    images = {image.origin.path: image for image in client.images.list(collection)}
    assert set(images) == {"p0.jpg", "p1.jpg", "p3.jpg"}
    assert images["p1.jpg"].keeping == KEEPING_STORED


def test_only_a_build_of_the_collection_is_retried(
    client: Client, server: Served, new_collection: Callable[[], str], place: Path
) -> None:
    one, other = new_collection(), new_collection()
    earlier = client.collections.build(one, place)
    earlier.wait(BUILD_S)
    sync = client.collections.sync(one, place)
    sync.wait(BUILD_S)
    with refused("FIELD_INVALID", "retry_failures_of"):
        client.collections.retry_failures(other, earlier.name)
    with refused("FIELD_INVALID", "retry_failures_of"):
        client.collections.retry_failures(one, sync.name)
    with refused("OPERATION_NOT_FOUND"):
        client.collections.retry_failures(one, "operations/op-none")
    both = BuildCollectionRequest(
        name=f"collections/{one}",
        retry_failures_of=earlier.name,
        source=Source(directory=DirectorySource(path=str(place))),
    )
    refusal = refusal_of(lambda: server.stubs.collections.BuildCollection(both))
    assert (refusal.reason, refusal.field) == ("FIELD_INVALID", "source")


BAD_SOURCES = {
    "nothing": (Source(), "FIELD_INVALID"),
    "relative": (Source(tar=TarSource(path="a.tar")), "FIELD_INVALID"),
    "no file": (Source(tar=TarSource(path="ROOT")), "SOURCE_NOT_FOUND"),
    "missing": (Source(manifest=ManifestSource(path="ROOT/none.csv")), "SOURCE_NOT_FOUND"),
    "outside": (Source(manifest=ManifestSource(path="/etc/passwd")), "SOURCE_NOT_ALLOWED"),
    "dots": (Source(directory=DirectorySource(path="ROOT/../..")), "SOURCE_NOT_ALLOWED"),
    "link out": (Source(directory=DirectorySource(path="ROOT/out")), "SOURCE_NOT_ALLOWED"),
    "through a link": (Source(manifest=ManifestSource(path="ROOT/out/passwd")), "SOURCE_NOT_ALLOWED"),
    "NUL": (Source(manifest=ManifestSource(path="/a\0b")), "FIELD_INVALID"),
    "long": (Source(directory=DirectorySource(path="/" + "x" * 5_000)), "FIELD_INVALID"),
    "patterns": (Source(directory=DirectorySource(path="ROOT", include=["*"] * 101)), "FIELD_INVALID"),
}


@pytest.mark.parametrize("name", BAD_SOURCES)
def test_bad_sources_are_refused_at_once(
    server: Served, collection: str, build_root: Path, name: str
) -> None:
    source, reason = BAD_SOURCES[name]
    if not (build_root / "out").is_symlink():
        (build_root / "out").symlink_to("/etc")
    asked = Source()
    asked.CopyFrom(source)
    kind = asked.WhichOneof("kind")
    if kind:
        told = getattr(asked, kind)
        told.path = told.path.replace("ROOT", str(build_root))
    request = BuildCollectionRequest(name=f"collections/{collection}", source=asked)
    refusal = refusal_of(lambda: server.stubs.collections.BuildCollection(request))
    assert refusal.reason == reason


BAD_FILES = {
    "no.tar": (b"no archive", "SOURCE_NOT_FOUND"),
    "no.tar.gz": (b"\x1f\x8b broken", "SOURCE_NOT_FOUND"),
    "no.parquet": (b"path\na.jpg\n", "SOURCE_NOT_FOUND"),
    "column.csv": (b"file\na.jpg\n", "FIELD_INVALID"),
    "attribute.csv": (b"path,attributes.none\na.jpg,1\n", "FIELD_INVALID"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_source_that_cannot_be_read_fails_the_build(
    client: Client, collection: str, place: Path, name: str
) -> None:
    content, reason = BAD_FILES[name]
    (place / name).write_bytes(content)
    with refused(reason):
        client.collections.build(collection, place / name).wait(BUILD_S)


@pytest.mark.slow
def test_one_operation_fills_a_collection_at_a_time(lone_server: Served, tmp_path: Path) -> None:
    client, place = lone_server.client, tmp_path / "pictures"
    for number in range(300):
        (place / f"p{number}.jpg").write_bytes(small(number))
    client.collections.create("c")
    client.collections.create("d")
    operation = client.collections.build("c", place)
    with refused("COLLECTION_BUSY"):
        client.collections.build("c", place)
    with refused("COLLECTION_BUSY"):
        client.collections.sync("c", place, dry_run=True)
    other = client.collections.build("d", place)
    operation.cancel()
    until(lambda: client.operations.get(operation.name).done)
    assert client.collections.build("c", place).wait(BUILD_S).failed == 0
    other.wait(BUILD_S)
    assert client.images.count("c") == client.images.count("d") == 300


@pytest.mark.slow
def test_a_killed_build_of_an_archive_resumes(lone_server: Served, tmp_path: Path) -> None:
    members = {f"p{number:04}.jpg": small(number) for number in range(300)}
    archive = archived(tmp_path / "pictures" / "a.tar.gz", members | {"p0005b.jpg": b"broken"}, "w:gz")
    lone_server.client.collections.create("c")
    name = lone_server.client.collections.build("c", archive).name
    for enough in (1, 150):
        until(lambda least=enough: lone_server.client.images.count("c") >= least)  # type: ignore[misc]
        lone_server.kill()
        lone_server.restart()
    client = lone_server.client
    client.operations.wait(name, BUILD_S)
    assert sorted(image.origin.path for image in client.images.list("c")) == sorted(members)
    assert [failure.subject for failure in client.operations.failures(name)] == ["p0005b.jpg"]


def test_a_manifest_without_end_is_refused_unread(client: Client, collection: str, place: Path) -> None:
    manifest = place / "endless.csv"
    with manifest.open("wb") as file:
        file.truncate(2**30 + 1)
    with refused("SOURCE_TOO_LARGE"):
        client.collections.build(collection, manifest).wait(BUILD_S)


def test_an_operation_under_way_is_not_forgotten(
    server: Served, client: Client, collection: str, place: Path
) -> None:
    watch = client.collections.sync(collection, place, watch=True)
    request = DeleteOperationRequest(name=watch.name)
    refusal = refusal_of(lambda: server.stubs.operations.DeleteOperation(request))
    assert (refusal.status, refusal.reason) == ("FAILED_PRECONDITION", "OPERATION_UNFINISHED")
    watch.cancel()
    with refused("OPERATION_CANCELLED"):
        watch.wait(BUILD_S)
    server.stubs.operations.DeleteOperation(request)
    with refused("OPERATION_NOT_FOUND"):
        client.operations.get(watch.name)

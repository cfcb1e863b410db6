"""Backups, exports, purges and rebuilds, through the real server."""

import io
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from soutu.client import Client
from soutu.client.admin import Format
from soutu.v1.attribute_pb2 import (
    ATTRIBUTE_TYPE_INTEGER,
    ATTRIBUTE_TYPE_NUMBER,
    ATTRIBUTE_TYPE_STRINGS,
    ATTRIBUTE_TYPE_TIMESTAMP,
    Attribute,
    AttributeValue,
    StringValues,
)
from soutu.v1.collection_service_pb2 import CreateGenerationRequest
from soutu.v1.image_pb2 import Image
from tests.flows import pictures
from tests.flows.cli import soutu
from tests.flows.refusals import refused
from tests.flows.served import Served, until

UNIQUE = "zanzibarquokka"
SCHEMA = {
    "year": Attribute(type=ATTRIBUTE_TYPE_INTEGER),
    "weight": Attribute(type=ATTRIBUTE_TYPE_NUMBER),
    "taken": Attribute(type=ATTRIBUTE_TYPE_TIMESTAMP),
    "people": Attribute(type=ATTRIBUTE_TYPE_STRINGS),
}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    (tmp_path / "archive").mkdir()
    return tmp_path / "archive"


@pytest.fixture
def admin_server(tmp_path: Path, archive: Path) -> Iterator[Served]:
    """A server for one test, which keeps backups and exports in `archive`."""
    (tmp_path / "pictures").mkdir()
    settings = {"SOUTU_BACKUP_ROOTS": str(archive)}
    with Served(tmp_path / "server", [tmp_path / "pictures"], settings) as served:
        yield served


def filled(client: Client, name: str, count: int) -> None:
    client.collections.create(name, attributes=SCHEMA)
    for number in range(count):
        client.images.upload(name, pictures.jpeg(number), image_id=f"i{number}", title=f"Title {number}")


def downloaded(client: Client, name: str, collection: str) -> bytes:
    stream = io.BytesIO()
    client.images.download(name, stream, collection=collection)
    return stream.getvalue()


def scores(client: Client, collection: str, seed: int, count: int = 10) -> list[tuple[str, float]]:
    matches = client.search(collection, pictures.jpeg(seed), page_size=count).matches
    return [(match.name.rsplit("/", 1)[1], round(match.score, 3)) for match in matches]


def files_with(directory: Path, *traces: bytes) -> list[str]:
    """The files below the directory that hold one of the traces."""
    return [
        f"{file.relative_to(directory)}: {trace[:24]!r}"
        for file in sorted(directory.rglob("*"))
        if file.is_file()
        for data in [file.read_bytes()]
        for trace in traces
        if trace in data
    ]


# Backups


@pytest.mark.slow
def test_a_backup_made_under_load_holds_what_was_acknowledged_before(
    admin_server: Served, archive: Path, tmp_path: Path
) -> None:
    client = admin_server.client
    filled(client, "c", 5)
    acknowledged: list[tuple[datetime, str]] = []
    ended = threading.Event()

    def upload() -> None:
        for number in range(5, 400):
            if ended.is_set():
                return
            client.images.upload("c", pictures.jpeg(number), image_id=f"i{number}")
            acknowledged.append((datetime.now(UTC), f"i{number}"))

    uploading = threading.Thread(target=upload)
    uploading.start()
    until(lambda: len(acknowledged) > 3)
    result = client.admin.backup(archive / "b").wait(60)
    ended.set()
    uploading.join()
    assert result.size_bytes > 0
    moment = result.snapshot_time.ToDatetime(tzinfo=UTC)
    before = {name for when, name in acknowledged if when < moment} | {f"i{number}" for number in range(5)}

    admin_server.stop()
    soutu("--data-dir", str(tmp_path / "other" / "data"), "restore", str(archive / "b"))
    with Served(tmp_path / "other") as other:
        names = {image.name.rsplit("/", 1)[1] for image in other.client.images.list("c")}
        assert before <= names
        assert scores(other.client, "c", 2)[0] == ("i2", 1.0)
        for name in sorted(names):
            assert downloaded(other.client, name, "c")
        admin_server.restart()
        here = [each for each in scores(admin_server.client, "c", 3, 100) if each[0] in names]
        there = scores(other.client, "c", 3, 100)[: len(here)]
        assert [score for _, score in there] == pytest.approx([score for _, score in here], abs=2e-3)
        assert all(operation.done for operation in other.client.operations.list())


@pytest.mark.slow
def test_a_second_backup_copies_only_what_is_new(admin_server: Served, archive: Path) -> None:
    client = admin_server.client
    filled(client, "c", 4)
    client.admin.backup(archive / "b").wait(60)
    contents = archive / "b" / "objects" / "contents"
    first = {file: file.stat().st_mtime_ns for file in contents.rglob("*") if file.is_file()}
    assert len(first) == 4
    client.images.upload("c", pictures.jpeg(9), image_id="new")
    client.images.delete("i0", collection="c")
    client.admin.backup(archive / "b").wait(60)
    second = {file: file.stat().st_mtime_ns for file in contents.rglob("*") if file.is_file()}
    assert len(second) == 4
    assert len(first.items() & second.items()) == 3
    assert len(list((archive / "b").glob("catalog-*.db"))) == 1


def test_where_a_backup_may_go(admin_server: Served, archive: Path, tmp_path: Path) -> None:
    client = admin_server.client
    with refused("SOURCE_NOT_ALLOWED"):
        client.admin.backup(tmp_path / "elsewhere")
    (archive / "link").symlink_to(tmp_path)
    with refused("SOURCE_NOT_ALLOWED"):
        client.admin.backup(archive / "link" / "b")
    (archive / "mine").mkdir()
    (archive / "mine" / "letter.txt").write_text("dear")
    with refused("FIELD_INVALID", "path"):
        client.admin.backup(archive / "mine")
    assert [file.name for file in (archive / "mine").iterdir()] == ["letter.txt"]


@pytest.mark.slow
def test_a_restore_refuses_what_is_not_empty_not_whole_or_no_backup(
    admin_server: Served, archive: Path, tmp_path: Path
) -> None:
    filled(admin_server.client, "c", 3)
    backup, other = archive / "b", tmp_path / "other"
    admin_server.client.admin.backup(backup).wait(60)
    running = soutu("--data-dir", str(admin_server.data_dir), "restore", str(backup), ok=False)
    assert "Another server uses" in running
    admin_server.stop()
    full = soutu("--data-dir", str(admin_server.data_dir), "restore", str(backup), ok=False)
    assert "holds collections" in full
    assert "holds no backup" in soutu("--data-dir", str(other), "restore", str(archive), ok=False)
    content = next(file for file in (backup / "objects" / "contents").rglob("*") if file.is_file())
    whole = content.read_bytes()
    content.write_bytes(whole[:-1] + b"x")
    assert "other bytes" in soutu("--data-dir", str(other), "restore", str(backup), ok=False)
    assert not (other / "catalog.db").exists()
    content.write_bytes(whole)
    (backup / "manifest.json").rename(backup / "kept")
    assert "never finished" in soutu("--data-dir", str(other), "restore", str(backup), ok=False)
    (backup / "kept").rename(backup / "manifest.json")
    assert "1 collections with 3 images" in soutu("--data-dir", str(other), "restore", str(backup))


def test_the_call_for_a_restore_names_the_command(admin_server: Served) -> None:
    from soutu.v1.admin_service_pb2 import RestoreRequest
    from tests.flows.refusals import refusal_of

    refusal = refusal_of(lambda: admin_server.stubs.admin.Restore(RestoreRequest(path="/tmp/b")))
    assert (refusal.status, refusal.reason) == ("UNIMPLEMENTED", "FEATURE_UNIMPLEMENTED")
    assert "soutu restore DIR" in refusal.message


# Collections to files and back


def described(client: Client, collection: str) -> None:
    """Images with all that can be said of one."""
    filled(client, collection, 6)
    taken = AttributeValue()
    taken.timestamp_value.FromDatetime(datetime(2024, 5, 6, 7, 8, 9, 123_456))
    client.images.update(
        "i1",
        collection=collection,
        title="Möbel 山",
        tags=["a b", "c"],
        source_uri="https://example.org/x",
        category="chairs",
        rating=4,
        attributes={
            "year": AttributeValue(integer_value=2**53 + 1),
            "weight": AttributeValue(number_value=0.1),
            "taken": taken,
            "people": AttributeValue(strings_value=StringValues(values=["x", "y"])),
        },
    )


def told(image: Image) -> Image:
    """The image without what is the deployment's own."""
    copy = Image()
    copy.CopyFrom(image)
    for field in ("name", "uid", "etag", "create_time", "update_time"):
        copy.ClearField(field)
    return copy


@pytest.mark.parametrize("kind", [Format.FORMAT_PARQUET, Format.FORMAT_HDF5])
def test_an_export_comes_back_as_it_was(admin_server: Served, archive: Path, kind: Format.ValueType) -> None:
    client = admin_server.client
    described(client, "c")
    exported = client.admin.export("c", archive / "e", format=kind).wait(60)
    assert exported.image_count == 6
    assert exported.size_bytes > 0
    before = {image.name.rsplit("/", 1)[1]: told(image) for image in client.images.list("c")}
    before_scores = scores(client, "c", 3)
    client.collections.create("d")
    imported = client.admin.import_("d", archive / "e").wait(60)
    assert (imported.image_count, imported.failed) == (6, 0)
    after = {image.name.rsplit("/", 1)[1]: told(image) for image in client.images.list("d")}
    assert after == before
    assert scores(client, "d", 3) == before_scores
    assert client.collections.get("d").attributes == client.collections.get("c").attributes
    for name in before:
        ours = downloaded(client, name, "d")
        assert ours == downloaded(client, name, "c")
    again = client.admin.import_("d", archive / "e").wait(60)
    assert (again.image_count, client.images.count("d")) == (6, 6)


@pytest.mark.slow
def test_an_import_elsewhere_needs_no_inference_and_stores_the_originals(
    admin_server: Served, archive: Path, tmp_path: Path
) -> None:
    described(admin_server.client, "c")
    admin_server.client.admin.export("c", archive / "e").wait(60)
    expected = scores(admin_server.client, "c", 4)
    with Served(tmp_path / "other", settings={"SOUTU_BACKUP_ROOTS": str(archive)}) as other:
        other.client.collections.create("c")
        assert other.client.admin.import_("c", archive / "e").wait(60).image_count == 6
        assert scores(other.client, "c", 4) == expected
        assert downloaded(other.client, "i4", "c") == pictures.jpeg(4)
        assert other.client.images.thumbnail("i4", collection="c")


@pytest.mark.slow
def test_an_import_without_originals_finds_but_has_no_bytes(admin_server: Served, archive: Path) -> None:
    client = admin_server.client
    filled(client, "c", 3)
    client.admin.export("c", archive / "e", without_originals=True).wait(60)
    assert not (archive / "e" / "originals").exists()
    client.collections.create("d")
    assert client.admin.import_("d", archive / "e").wait(60).failed == 0
    assert scores(client, "d", 1)[0][0] == "i1"
    with refused("ORIGINAL_GONE"):
        downloaded(client, "i1", "d")


@pytest.mark.slow
def test_a_bad_image_of_an_export_is_a_failure_of_its_own(admin_server: Served, archive: Path) -> None:
    client = admin_server.client
    filled(client, "c", 4)
    client.admin.export("c", archive / "e").wait(60)
    original = next(file for file in (archive / "e" / "originals").rglob("*") if file.is_file())
    original.write_bytes(b"other bytes")
    client.collections.create("d")
    handle = client.admin.import_("d", archive / "e")
    result = handle.wait(60)
    assert (result.image_count, result.failed) == (3, 1)
    assert [failure.reason for failure in handle.failures()] == ["CONTENT_LOST"]


@pytest.mark.slow
def test_what_is_no_export_is_refused(admin_server: Served, archive: Path) -> None:
    client = admin_server.client
    filled(client, "c", 1)
    (archive / "none").mkdir()
    with refused("SOURCE_NOT_FOUND"):
        client.admin.import_("c", archive / "none")
    with refused("SOURCE_NOT_FOUND"):
        client.admin.import_("c", archive / "missing")
    client.admin.export("c", archive / "e").wait(60)
    with refused("FIELD_INVALID", "path"):
        client.admin.export("c", archive / "e")
    client.collections.create("d", attributes={"year": Attribute(type=ATTRIBUTE_TYPE_NUMBER)})
    with refused("FIELD_INVALID"):
        client.admin.import_("d", archive / "e")


# Purges and rebuilds


@pytest.mark.slow
def test_a_purge_leaves_no_trace(admin_server: Served, tmp_path: Path) -> None:
    client = admin_server.client
    filled(client, "c", 8)
    secret = pictures.jpeg(77)
    client.images.upload("c", secret, image_id=f"{UNIQUE}-1", title=f"{UNIQUE} one", request_id=f"r-{1}")
    client.images.upload("c", pictures.jpeg(78), image_id=f"{UNIQUE}-2", title=f"{UNIQUE} two")
    client.images.thumbnail(f"{UNIQUE}-1", collection="c")
    client.search("c", secret)
    client.images.delete(f"{UNIQUE}-2", collection="c")
    admin_server.stop()
    admin_server.restart()
    client = admin_server.client
    assert files_with(admin_server.data_dir, UNIQUE.encode(), secret)
    result = client.admin.purge("c", [f"{UNIQUE}-1", f"{UNIQUE}-2"]).wait(60)
    assert (result.image_count, result.content_count) == (2, 2)
    assert all(name.startswith("i") for name, _ in scores(client, "c", 77))
    assert files_with(admin_server.data_dir, UNIQUE.encode(), secret[:2_000], pictures.jpeg(78)) == []
    admin_server.stop()
    admin_server.restart()
    client = admin_server.client
    assert client.images.count("c") == 8
    assert scores(client, "c", 3)[0][0] == "i3"
    assert files_with(admin_server.data_dir, UNIQUE.encode(), secret[:2_000], pictures.jpeg(78)) == []
    with closing(sqlite3.connect(admin_server.data_dir / "catalog.db")) as database:
        assert database.execute("SELECT COUNT(*) FROM contents").fetchone() == (8,)
        assert database.execute("SELECT COUNT(*) FROM embeddings").fetchone() == (8,)
    with refused("IMAGE_NOT_FOUND"):
        client.images.upload("c", secret, image_id=f"{UNIQUE}-1", title=f"{UNIQUE} one", request_id=f"r-{1}")


@pytest.mark.slow
def test_a_purge_keeps_bytes_that_another_image_has(admin_server: Served) -> None:
    client = admin_server.client
    for name in ("c", "d"):
        client.collections.create(name)
        client.images.upload(name, pictures.jpeg(7), image_id="shared")
    result = client.admin.purge("c", ["shared"]).wait(60)
    assert (result.image_count, result.content_count) == (1, 0)
    assert scores(client, "d", 7)[0][0] == "shared"
    assert downloaded(client, "shared", "d") == pictures.jpeg(7)
    assert client.admin.purge("d", ["shared", "never-was"]).wait(60).content_count == 1
    client.images.upload("d", pictures.jpeg(7), image_id="shared")
    assert downloaded(client, "shared", "d") == pictures.jpeg(7)


@pytest.mark.slow
def test_a_purge_reaches_every_generation_and_spares_the_users_files(
    admin_server: Served, tmp_path: Path
) -> None:
    root = tmp_path / "pictures"
    for seed in range(4):
        (root / f"{UNIQUE}{seed}.jpg").write_bytes(pictures.jpeg(seed))
    client = admin_server.client
    client.collections.create("c")
    client.collections.build("c", root).wait(60)
    operation = admin_server.stubs.collections.CreateGeneration(
        CreateGenerationRequest(parent="collections/c", generation_id="second")
    )
    client.operations.wait(operation.name, 60)
    ids = [image.name for image in client.images.list("c")]
    assert client.admin.purge("c", ids).wait(60).image_count == 4
    assert len(list(root.iterdir())) == 4
    assert client.images.count("c") == 0
    assert scores(client, "collections/c/generations/second", 1) == []
    for stored in ("index", "objects"):
        assert files_with(admin_server.data_dir / stored, UNIQUE.encode()) == []


def test_which_purges_are_refused(client: Client, collection: str) -> None:
    with refused("FIELD_INVALID", "names"):
        client.admin.purge(collection, [])
    with refused("FIELD_INVALID", "names[0]"):
        client.admin.purge(collection, ["collections/other/images/x"])
    with refused("COLLECTION_NOT_FOUND"):
        client.admin.purge("none", ["x"])


def test_an_index_is_made_again_while_searches_go_on(server: Served, collection: str) -> None:
    client = server.client
    for number in range(20):
        client.images.upload(collection, pictures.jpeg(number), image_id=f"i{number}")
    before = scores(client, collection, 5)
    generation = client.collections.get(collection).active_generation
    handle = client.admin.rebuild_index(collection)
    searched = 0
    while not client.operations.get(handle.name).done:
        assert scores(client, collection, 5)[0][0] == "i5"
        searched += 1
    client.images.upload(collection, pictures.jpeg(30), image_id="later")
    assert searched > 1
    assert handle.wait(60).image_count == 20
    assert scores(client, collection, 5) == before
    assert scores(client, collection, 30)[0][0] == "later"
    assert client.collections.get(collection).active_generation == generation
    assert client.admin.rebuild_index(generation).wait(60).image_count == 21


def test_tuning_keeps_the_smallest_list_that_finds_enough(client: Client, collection: str) -> None:
    for number in range(12):
        client.images.upload(collection, pictures.jpeg(number))
    result = client.admin.tune_index(collection, 0.9).wait(60)
    assert result.candidates == 16
    assert result.points[0].recall >= 0.9
    assert result.points[0].median.ToNanoseconds() > 0
    assert client.collections.get(collection).index.candidates == 16
    with refused("FIELD_INVALID", "recall"):
        client.admin.tune_index(collection, 1.5)


@pytest.mark.slow
def test_an_unfinished_rebuild_goes_on_after_a_kill(admin_server: Served) -> None:
    client = admin_server.client
    filled(client, "c", 10)
    handle = client.admin.rebuild_index("c")
    admin_server.kill()
    admin_server.restart()
    client = admin_server.client
    assert client.operations.wait(handle.name, 60).done
    assert not client.operations.get(handle.name).HasField("error")
    assert scores(client, "c", 3)[0][0] == "i3"
    indexes = [folder.name for folder in (admin_server.data_dir / "index").iterdir()]
    assert len(indexes) == 1


# Collections themselves


def test_a_collection_is_changed_and_its_etag_with_it(client: Client, collection: str) -> None:
    before = client.collections.get(collection)
    after = client.collections.update(collection, display_name="Möbel", attributes=SCHEMA, etag=before.etag)
    assert (after.display_name, after.description) == ("Möbel", before.description)
    assert after.attributes["year"].type == ATTRIBUTE_TYPE_INTEGER
    assert after.etag != before.etag
    with refused("ETAG_MISMATCH"):
        client.collections.update(collection, description="late", etag=before.etag)
    with refused("FIELD_INVALID", "collection.attributes.year"):
        client.collections.update(collection, attributes={"year": Attribute(type=ATTRIBUTE_TYPE_STRINGS)})
    client.collections.update(collection, attributes={"place": Attribute(type=ATTRIBUTE_TYPE_STRINGS)})
    assert set(client.collections.get(collection).attributes) == {*SCHEMA, "place"}
    client.images.upload(collection, pictures.jpeg(1), attributes={"year": AttributeValue(integer_value=7)})


def test_numbers_about_a_collection(client: Client, collection: str) -> None:
    assert client.collections.statistics(collection).image_count == 0
    client.images.upload(collection, pictures.jpeg(1), image_id="a")
    client.images.upload(collection, pictures.jpeg(1), image_id="b")
    client.images.upload(collection, pictures.png(2), image_id="c")
    numbers = client.collections.statistics(collection)
    assert (numbers.image_count, numbers.content_count) == (3, 2)
    assert numbers.content_bytes == len(pictures.jpeg(1)) + len(pictures.png(2))
    assert dict(numbers.media_types) == {"image/jpeg": 2, "image/png": 1}

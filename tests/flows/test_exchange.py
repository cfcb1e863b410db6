"""Exports and imports."""

from datetime import datetime
from pathlib import Path

import pytest

from soutu.client import Client, metadata_of, result_of
from soutu.client.admin import Format
from soutu.v1.admin_service_pb2 import ImportCollectionResponse
from soutu.v1.attribute_pb2 import (
    ATTRIBUTE_TYPE_NUMBER,
    Attribute,
    AttributeValue,
    StringValues,
)
from soutu.v1.image_pb2 import Image
from tests.flows import pictures
from tests.flows.admin import downloaded, filled, scores
from tests.flows.refusals import refused
from tests.flows.served import Served, until


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


@pytest.mark.parametrize(
    "kind", [Format.FORMAT_PARQUET, pytest.param(Format.FORMAT_HDF5, marks=pytest.mark.slow)]
)
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


@pytest.mark.slow
def test_an_import_goes_on_after_a_kill(admin_server: Served, archive: Path, tmp_path: Path) -> None:
    for seed in range(600):
        (tmp_path / "pictures" / f"{seed}.jpg").write_bytes(pictures.jpeg(seed, 64, 48))
    client = admin_server.client
    client.collections.create("c")
    client.collections.build("c", tmp_path / "pictures").wait(120)
    client.admin.export("c", archive / "e").wait(60)
    client.collections.create("d")
    handle = client.admin.import_("d", archive / "e")
    until(lambda: metadata_of(client.operations.get(handle.name)).done)
    admin_server.kill()
    admin_server.restart()
    client = admin_server.client
    operation = client.operations.wait(handle.name, 120)
    assert result_of(operation, ImportCollectionResponse).image_count == 600
    assert client.images.count("d") == 600
    assert scores(client, "d", 5) == scores(client, "c", 5)

"""What `soutu build` does where there is something already."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from google.longrunning.operations_pb2 import Operation
from google.rpc import code_pb2

from soutu.cli.build import checked_kind, start
from soutu.cli.failures import CommandError
from soutu.client import Client, SoutuCallError
from soutu.v1.collection_service_pb2 import OperationMetadata
from tests.unit.client.fake_server import Script, failure, served

BUSY = failure(code_pb2.FAILED_PRECONDITION, "Another build goes on.", "COLLECTION_BUSY")


def operation(
    name: str, kind: str = "build", target: str = "collections/photos", done: bool = False
) -> Operation:
    message = Operation(name=f"operations/{name}", done=done)
    message.metadata.Pack(OperationMetadata(kind=kind, target=target))
    return message


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def client(script: Script) -> Iterator[Client]:
    with served(script) as address, Client(address, timeout_s=5) as client:
        yield client


def test_a_build_under_way_is_followed(client: Client, script: Script, tmp_path: Path) -> None:
    others = [
        operation("other", target="collections/other"),
        operation("sync", kind="sync"),
        operation("earlier", done=True),
    ]
    script.failures, script.operations = [BUSY], [*others, operation("now")]
    assert start(client, "photos", tmp_path, copy=False).name == "operations/now"


def test_other_work_in_the_collection_is_an_error(client: Client, script: Script, tmp_path: Path) -> None:
    script.failures, script.operations = [BUSY], [operation("sync", kind="sync")]
    with pytest.raises(SoutuCallError, match="COLLECTION_BUSY"):
        start(client, "photos", tmp_path, copy=False)


def test_the_kind_of_a_source_is_told_or_asked_for(tmp_path: Path) -> None:
    tar, unnamed = tmp_path / "a.tar", tmp_path / "archive"
    for file in (tar, unnamed):
        file.touch()
    assert [checked_kind(tmp_path), checked_kind(tar), checked_kind(unnamed, "tar")] == [
        "directory",
        "tar",
        "tar",
    ]


def test_a_picture_is_no_source(tmp_path: Path) -> None:
    (tmp_path / "cat.jpg").touch()
    with pytest.raises(CommandError, match="images upload"):
        checked_kind(tmp_path / "cat.jpg")
    with pytest.raises(CommandError, match="is a directory"):
        checked_kind(tmp_path, "manifest")

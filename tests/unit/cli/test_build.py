"""What `soutu build` does where there is something already."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from google.longrunning.operations_pb2 import Operation
from google.rpc import code_pb2

from soutu.cli.build import ensure_collection, start
from soutu.client import Client, SoutuCallError
from soutu.v1.collection_service_pb2 import OperationMetadata
from tests.unit.client.fake_server import Script, failure, served

BUSY = failure(code_pb2.FAILED_PRECONDITION, "Another build goes on.", "COLLECTION_BUSY")
EXISTS = failure(code_pb2.ALREADY_EXISTS, "It is there.", "COLLECTION_EXISTS")


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


def test_a_collection_that_exists_is_filled(client: Client, script: Script) -> None:
    script.failures = [EXISTS]
    ensure_collection(client, "photos", model="")
    assert script.methods == ["CreateCollection"]


def test_a_model_is_named_as_the_contract_wants_it(client: Client, script: Script) -> None:
    ensure_collection(client, "photos", model="gradient-color")
    assert script.calls[0][1].collection.model == "models/gradient-color"

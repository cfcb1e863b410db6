"""The collection that a command fills is made for it, and goes again where filling it is refused."""

from collections.abc import Iterator

import pytest
from google.rpc import code_pb2

from soutu.cli.filling import ensured_collection
from soutu.client import Client, SoutuCallError
from tests.unit.client.fake_server import Script, failure, served

EXISTS = failure(code_pb2.ALREADY_EXISTS, "It is there.", "COLLECTION_EXISTS")
REFUSED = SoutuCallError("PERMISSION_DENIED", "Outside.", "SOURCE_NOT_ALLOWED")
CUT_OFF = SoutuCallError("UNAVAILABLE", "No answer.")


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def client(script: Script) -> Iterator[Client]:
    with served(script) as address, Client(address, timeout_s=5) as client:
        yield client


def refuse(client: Client, error: SoutuCallError) -> None:
    with pytest.raises(SoutuCallError), ensured_collection(client, "photos"):
        raise error


def test_a_collection_that_exists_is_filled(client: Client, script: Script) -> None:
    script.failures = [EXISTS]
    with ensured_collection(client, "photos"):
        assert script.methods == ["CreateCollection"]


def test_a_model_is_named_as_the_contract_wants_it(client: Client, script: Script) -> None:
    with ensured_collection(client, "photos", model="gradient-color"):
        assert script.calls[0][1].collection.model == "models/gradient-color"


def test_a_new_collection_goes_where_the_filling_is_refused(client: Client, script: Script) -> None:
    refuse(client, REFUSED)
    assert script.methods == ["CreateCollection", "DeleteCollection"]


def test_an_old_collection_stays_where_the_filling_is_refused(client: Client, script: Script) -> None:
    script.failures = [EXISTS]
    refuse(client, REFUSED)
    assert script.methods == ["CreateCollection"]


def test_a_new_collection_stays_where_nobody_knows_whether_it_is_filled(
    client: Client, script: Script
) -> None:
    refuse(client, CUT_OFF)
    assert script.methods == ["CreateCollection"]

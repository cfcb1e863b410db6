"""Calls: deadlines, retries, errors, the key, pages."""

import time
from pathlib import Path

import pytest
from google.rpc import code_pb2, status_pb2

from soutu.client import Client, SoutuCallError
from tests.unit.client.fake_server import QUEUE_FULL, UNAVAILABLE, Script, failure, served


def test_the_key_goes_with_every_call(client: Client, script: Script) -> None:
    client.search("photos", "cat")
    assert script.metadata["authorization"] == "Bearer secret"


@pytest.mark.parametrize("key", ["two words", "one\ntwo", "schlüssel", "secret\n", "x" * 513])
def test_what_cannot_be_a_key_is_refused_before_any_call(key: str) -> None:
    with pytest.raises(ValueError, match="key is no key: one is a single word") as refused:
        Client(key=key)
    assert key not in str(refused.value)


def test_a_call_ends_at_its_deadline(script: Script) -> None:
    script.delay_s = 1.0
    with served(script) as address, Client(address, timeout_s=0.2) as client:
        began = time.monotonic()
        with pytest.raises(SoutuCallError) as caught:
            client.search("photos", "cat")
    assert caught.value.status == "DEADLINE_EXCEEDED"
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("status", [UNAVAILABLE, QUEUE_FULL], ids=["unavailable", "queue full"])
def test_reads_are_sent_again_while_the_server_is_busy(
    client: Client, script: Script, status: status_pb2.Status
) -> None:
    script.failures = [status, status]
    assert client.search("photos", "cat").matches
    assert script.methods == ["Search"] * 3


def test_uploads_are_sent_again_with_the_same_request_id(client: Client, script: Script) -> None:
    script.failures = [UNAVAILABLE]
    client.images.upload("photos", b"x" * 1_000_000)
    first, second = (request for _, request in script.calls)
    assert first == second
    assert first.request_id


def test_what_must_not_happen_twice_is_sent_once(client: Client, script: Script) -> None:
    script.failures = [UNAVAILABLE]
    with pytest.raises(SoutuCallError):
        client.collections.create("photos")
    assert script.methods == ["CreateCollection"]


def test_a_refused_request_is_not_sent_again(client: Client, script: Script) -> None:
    script.failures = [failure(code_pb2.NOT_FOUND, "No such.", "COLLECTION_NOT_FOUND", collection="photos")]
    with pytest.raises(SoutuCallError) as caught:
        client.search("photos", "cat")
    error = caught.value
    assert (error.status, error.reason, error.message) == ("NOT_FOUND", "COLLECTION_NOT_FOUND", "No such.")
    assert error.metadata == {"collection": "photos"}
    assert not error.unreachable
    assert script.methods == ["Search"]


def test_an_absent_server_is_told_from_one_that_is_unavailable() -> None:
    with Client("127.0.0.1:1", timeout_s=5) as client, pytest.raises(SoutuCallError) as caught:
        client.search("photos", "cat")
    assert caught.value.unreachable
    assert "127.0.0.1:1" in caught.value.message


def test_pages_follow_each_other(client: Client) -> None:
    pages = client.search_pages("photos", "cat")
    assert [page.matches[0].name for page in pages] == ["match-0", "match-1", "match-2"]


@pytest.mark.parametrize(("query", "hinted"), [("cat.JPG", True), ("cat", False)])
def test_a_file_given_as_a_str_is_explained(client: Client, script: Script, query: str, hinted: bool) -> None:
    script.failures = [failure(code_pb2.NOT_FOUND, "No such image.", "IMAGE_NOT_FOUND")]
    with pytest.raises(SoutuCallError) as caught:
        client.search("photos", query)
    assert ("pathlib.Path" in str(caught.value)) is hinted
    assert (caught.value.message, caught.value.reason) == ("No such image.", "IMAGE_NOT_FOUND")


def test_a_str_that_is_a_file_is_explained(
    client: Client, script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cat").touch()
    monkeypatch.chdir(tmp_path)
    script.failures = [failure(code_pb2.NOT_FOUND, "No such image.", "IMAGE_NOT_FOUND")]
    with pytest.raises(SoutuCallError, match=r"pathlib\.Path"):
        client.search("photos", "cat")

"""Pulling, through huggingface_hub, from a hub on this machine."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from soutu.domain.errors import Reason, SoutuError
from soutu.models.pull import check_licence, pull
from soutu.models.zoo.entry import Hub, ZooEntry
from soutu.models.zoo.shelf import zoo_entry
from tests.unit.models.hub import COMMIT, LATER, local_hub

pytestmark = pytest.mark.slow  # huggingface_hub comes with the extra `train`

FILES = {"config.json": b"{}", "model.safetensors": b"weights"}


def entry(**hashes: str) -> ZooEntry:
    hub = Hub("someone/model", "main", {name: hashes.get(name.partition(".")[0], "") for name in FILES})
    return replace(zoo_entry("resnet50"), hub=hub)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_pull_says_what_it_got(tmp_path: Path) -> None:
    with local_hub("someone/model", FILES) as hub:
        pulled = pull(entry(model=sha256(b"weights")), tmp_path / "weights", endpoint=hub.endpoint)
    assert {name: (pulled.folder / name).read_bytes() for name in FILES} == FILES
    assert pulled.commit == COMMIT
    assert pulled.files == {name: sha256(content) for name, content in FILES.items()}
    assert COMMIT in pulled.source
    assert sha256(b"weights") in pulled.source


def test_a_second_pull_gets_the_same_though_the_branch_went_on(tmp_path: Path) -> None:
    with local_hub("someone/model", FILES) as hub:
        first = pull(entry(), tmp_path, endpoint=hub.endpoint)
        hub.head = LATER
        assert pull(entry(), tmp_path, endpoint=hub.endpoint) == first
        assert pull(entry(), tmp_path, revision="main", endpoint=hub.endpoint).commit == LATER


def test_other_bytes_under_the_same_commit_are_refused(tmp_path: Path) -> None:
    with local_hub("someone/model", FILES) as hub:
        pull(entry(), tmp_path, endpoint=hub.endpoint)
        record = json.loads((tmp_path / "pulled.json").read_text())
        record["files"]["model.safetensors"] = sha256(b"what it was")
        (tmp_path / "pulled.json").write_text(json.dumps(record))
        with pytest.raises(SoutuError, match="not the one that was recorded") as failure:
            pull(entry(), tmp_path, endpoint=hub.endpoint)
    assert failure.value.reason is Reason.MODEL_INVALID


def test_a_hash_that_the_entry_pins_must_be_met(tmp_path: Path) -> None:
    with (
        local_hub("someone/model", FILES) as hub,
        pytest.raises(SoutuError, match=r"model\.safetensors of someone/model") as failure,
    ):
        pull(entry(model=sha256(b"others")), tmp_path, endpoint=hub.endpoint)
    assert failure.value.reason is Reason.MODEL_INVALID


def test_what_the_hub_lacks_is_named(tmp_path: Path) -> None:
    with local_hub("someone/model", {"config.json": b"{}"}) as hub, pytest.raises(SoutuError) as failure:
        pull(entry(), tmp_path, endpoint=hub.endpoint)
    assert failure.value.reason is Reason.HUB_UNREACHABLE
    assert "model.safetensors of someone/model" in failure.value.message


def test_a_hub_that_is_not_there_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(SoutuError, match="cannot be reached") as failure:
        pull(entry(), tmp_path, endpoint="http://127.0.0.1:9")
    assert failure.value.reason is Reason.HUB_UNREACHABLE


def test_a_pickle_is_not_fetched(tmp_path: Path) -> None:
    pickled = replace(entry(), hub=Hub("someone/model", "main", {"pytorch_model.bin": ""}))
    with (
        local_hub("someone/model", {"pytorch_model.bin": b""}) as hub,
        pytest.raises(SoutuError, match="is a pickle") as failure,
    ):
        pull(pickled, tmp_path, endpoint=hub.endpoint)
    assert failure.value.reason is Reason.MODEL_INVALID
    assert hub.asked == []


def test_what_is_on_no_hub_says_where_it_comes_from(tmp_path: Path) -> None:
    with pytest.raises(SoutuError, match="soutu models export") as failure:
        pull(zoo_entry("mobilenetv2-onnx"), tmp_path)
    assert failure.value.reason is Reason.MODEL_INVALID


def test_a_restricted_licence_has_to_be_agreed_to() -> None:
    restricted = zoo_entry("vit-tiny-timm")
    with pytest.raises(SoutuError, match="restricted licence") as failure:
        check_licence(restricted, accepted=False)
    assert failure.value.reason is Reason.LICENCE_NOT_ACCEPTED
    assert check_licence(restricted, accepted=True) is None  # type: ignore[func-returns-value]
    assert check_licence(zoo_entry("resnet50"), accepted=False) is None  # type: ignore[func-returns-value]

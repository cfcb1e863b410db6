"""The main calls from Node.js (@grpc/grpc-js), which loads the protos as they are, against a real server."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from scripts.stack.places import ROOT, StackError, debian_program
from tests.flows import pictures
from tests.flows.served import Served

pytestmark = pytest.mark.slow
CLIENT = Path(__file__).parent / "node"
PLACE = ROOT / "build" / "interop" / "node"
NAMES = "collections/node/images"


@pytest.fixture(scope="module")
def node() -> str:
    """Node.js, with the client's packages of its lock beside the client, in build/."""
    try:
        program, npm = debian_program("node", "nodejs"), debian_program("npm", "npm")
    except StackError as error:
        pytest.skip(str(error))
    PLACE.mkdir(parents=True, exist_ok=True)
    lock = PLACE / "package-lock.json"
    fresh = not lock.exists() or lock.read_bytes() != (CLIENT / "package-lock.json").read_bytes()
    for file in CLIENT.iterdir():
        if file.is_file():
            shutil.copy(file, PLACE)
    if fresh or not (PLACE / "node_modules").exists():
        install = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        ran = subprocess.run(install, cwd=PLACE, capture_output=True, text=True, timeout=300)
        if ran.returncode:
            lock.unlink()
        assert ran.returncode == 0, ran.stderr
    return program


@pytest.fixture(scope="module")
def seen(node: str, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """What the client saw, step by step."""
    place = tmp_path_factory.mktemp("node")
    files = [place / f"{number}.jpg" for number in (1, 2)]
    for number, file in enumerate(files, 1):
        file.write_bytes(pictures.jpeg(number))
    with Served(place) as served:
        ran = subprocess.run(
            [node, "client.mjs", served.address, str(ROOT / "protos"), *map(str, files)],
            cwd=PLACE,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    told: Mapping[str, Any] = json.loads(ran.stdout)
    return told


def test_what_is_written_is_there(seen: Mapping[str, Any]) -> None:
    assert seen["created"] == "collections/node"
    assert seen["uploaded"] == [f"{NAMES}/first", "搜图", True]
    assert seen["streamed"] == f"{NAMES}/second"
    assert seen["got"] == ["one", "two"]
    assert seen["listed"] == [f"{NAMES}/first", f"{NAMES}/second"]
    assert int(seen["counted"]) == 2
    assert seen["downloadedWhole"] is True


def test_searches_find_it(seen: Mapping[str, Any]) -> None:
    assert seen["byImage"] == [f"{NAMES}/first", f"{NAMES}/second"]
    assert seen["dimension"] == [595, 595]
    assert seen["byVector"] == [f"{NAMES}/second"]
    assert seen["byStored"] == [f"{NAMES}/second"]
    assert seen["filtered"] == [f"{NAMES}/first"]


def test_what_is_deleted_is_gone(seen: Mapping[str, Any]) -> None:
    assert seen["afterDeletion"] == [f"{NAMES}/second"]
    assert seen["left"] == []


@pytest.mark.parametrize(
    ("step", "status", "reason"),
    [
        ("noPicture", "INVALID_ARGUMENT", "IMAGE_FORMAT_UNSUPPORTED"),
        ("wrongDimension", "INVALID_ARGUMENT", "VECTOR_INVALID"),
        ("badFilter", "INVALID_ARGUMENT", "FILTER_INVALID"),
        ("noCollection", "NOT_FOUND", "COLLECTION_NOT_FOUND"),
        ("taken", "ALREADY_EXISTS", "IMAGE_EXISTS"),
        ("gone", "NOT_FOUND", "IMAGE_NOT_FOUND"),
        ("notEmpty", "FAILED_PRECONDITION", "COLLECTION_NOT_EMPTY"),
    ],
)
def test_a_refusal_carries_its_reason(seen: Mapping[str, Any], step: str, status: str, reason: str) -> None:
    told = seen[step]
    assert (told["status"], told["reason"], told["domain"]) == (status, reason, "soutu")
    assert isinstance(told["metadata"], dict)


def test_the_lock_names_every_package_by_its_hash_and_no_place() -> None:
    lock = json.loads((CLIENT / "package-lock.json").read_text("utf-8"))
    packages = {name: each for name, each in lock["packages"].items() if name}
    assert {"node_modules/@grpc/grpc-js", "node_modules/@grpc/proto-loader"} <= packages.keys()
    assert not [name for name, each in packages.items() if "resolved" in each or "integrity" not in each]

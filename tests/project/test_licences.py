"""docs/licences.md names every library that pyproject.toml asks for."""

import re
import tomllib
from itertools import chain

from tests.project.source import ROOT


def test_every_direct_dependency_is_named() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    page = (ROOT / "docs" / "licences.md").read_text("utf-8")
    asked = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    names = {re.split(r"[^A-Za-z0-9-]", requirement)[0] for requirement in asked}
    assert len(names) > 20
    assert {name for name in names if not re.search(rf"(?<![\w-]){name}(?![\w-])", page)} == set()


def test_the_licence_is_the_whole_apache_licence() -> None:
    licence = (ROOT / "LICENSE").read_text("utf-8")
    assert "Apache License" in licence
    assert "END OF TERMS AND CONDITIONS" in licence


def test_the_locks_carry_hashes_and_no_place() -> None:
    locks = sorted((ROOT / "requirements").glob("*.txt"))
    assert [lock.name for lock in locks] == [
        "base.txt",
        "cluster.txt",
        "dev.txt",
        "stack-milvus.txt",
        "stack-tensorrt.txt",
        "stack-triton.txt",
        "train.txt",
    ]
    for lock in locks:
        text = lock.read_text("utf-8")
        assert text.count("--hash=sha256:") >= text.count("==")
        assert not re.search(r"://|--find-links|--index|^/", text, re.MULTILINE)

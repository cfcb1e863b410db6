"""What a directory offers, and what it keeps to itself."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from soutu.domain.errors import Reason, SoutuError
from soutu.ingest.directory import DirectorySource
from soutu.ingest.sources import Item
from soutu.ingest.specs import DirectorySpec


def offered(spec: DirectorySpec) -> list[str]:
    return [item.path for item in DirectorySource(spec).listing().items if not item.failure]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name in ("b.jpg", "a/c.PNG", "a.jpg", ".hidden.jpg", ".git/d.jpg", "notes.txt", "a-b.webp"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(name.encode())
    return tmp_path


def test_pictures_are_offered_by_path(directory: Path) -> None:
    assert offered(DirectorySpec(directory)) == ["a-b.webp", "a.jpg", "a/c.PNG", "b.jpg"]
    assert offered(DirectorySpec(directory, flat=True)) == ["a-b.webp", "a.jpg", "b.jpg"]
    assert offered(DirectorySpec(directory, include=("*.txt", "a/*"))) == ["a/c.PNG", "notes.txt"]
    assert offered(DirectorySpec(directory, exclude=("a*",))) == ["b.jpg"]


def test_links_lead_nowhere(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "x.jpg").write_bytes(b"x")
    (directory / "linked").symlink_to(outside)
    (directory / "link.jpg").symlink_to(outside / "x.jpg")
    source = DirectorySource(DirectorySpec(directory))
    assert not [item for item in source.listing().items if "link" in item.path]
    with pytest.raises(SoutuError) as failure:
        source.read(Item((0, "link.jpg")), 100)
    assert failure.value.reason is Reason.ORIGINAL_GONE


def test_names_that_are_no_text_fail_by_themselves(directory: Path) -> None:
    (directory / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"x")
    items = DirectorySource(DirectorySpec(directory)).listing().items
    failures = [item.failure for item in items if item.failure]
    assert [(each.subject, each.reason) for each in failures] == [("caf\ufffd.jpg", "FIELD_INVALID")]
    assert len(items) == 5


def test_what_cannot_be_looked_at_is_named(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def failing(path: str) -> object:
        if str(path).endswith("/a"):
            raise OSError(5, "Input/output error")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", failing)
    listing = DirectorySource(DirectorySpec(directory)).listing()
    assert listing.unread == ("a/",)
    assert [item.failure.reason for item in listing.items if item.failure] == ["SOURCE_NOT_FOUND"]


def test_a_directory_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SoutuError) as failure:
        DirectorySource(DirectorySpec(tmp_path / "gone")).listing()
    assert failure.value.reason is Reason.SOURCE_NOT_FOUND


@pytest.fixture
def deep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory with a picture 1,200 directories below; removed here, where nothing recurses."""
    monkeypatch.chdir(tmp_path)
    for _ in range(1_200):
        Path("d").mkdir()
        os.chdir("d")
    Path("deep.jpg").write_bytes(b"x")
    yield tmp_path
    Path("deep.jpg").unlink()
    for _ in range(1_200):
        os.chdir("..")
        Path("d").rmdir()


def test_a_directory_may_be_deeper_than_the_stack(deep: Path) -> None:
    assert offered(DirectorySpec(deep)) == [f"{'d/' * 1_200}deep.jpg"]

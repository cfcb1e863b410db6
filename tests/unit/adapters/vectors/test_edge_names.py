import os
import time
from pathlib import Path

import pytest

from soutu.adapters.vectors import edge_names
from soutu.adapters.vectors.edge_names import SETTLED_S, SyncedNames
from soutu.adapters.vectors.edge_seal import sync_directory


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("segments/a/index", "segments/b", "wal"):
        (tmp_path / "shard" / name).mkdir(parents=True)
    time.sleep(2 * SETTLED_S)
    return tmp_path / "shard"


@pytest.fixture
def synced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The directories that are synced, in order."""
    told: list[str] = []

    def noted(path: Path) -> None:
        told.append(str(path.relative_to(folder)))
        sync_directory(path)

    monkeypatch.setattr(edge_names, "sync_directory", noted)
    return told


@pytest.fixture(params=["of the system's library", "of Python"])
def times(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "of Python":
        monkeypatch.setattr(edge_names, "_statx", None)


@pytest.mark.usefixtures("times")
def test_what_has_changed_and_what_is_new_is_synced_and_nothing_else(folder: Path, synced: list[str]) -> None:
    names = SyncedNames(folder)
    names.sync()
    assert sorted(synced) == [".", "segments", "segments/a", "segments/a/index", "segments/b", "wal"]
    synced.clear()
    names.sync()
    assert synced == []
    (folder / "wal" / "segment").touch()
    (folder / "segments" / "c" / "index").mkdir(parents=True)
    (folder / "segments" / "b").rmdir()
    names.sync()
    assert sorted(synced) == ["segments", "segments/c", "segments/c/index", "wal"]


@pytest.mark.usefixtures("times")
def test_what_changed_a_moment_ago_is_synced_again_since_its_time_may_tell_nothing(
    folder: Path, synced: list[str]
) -> None:
    names = SyncedNames(folder)
    (folder / "wal" / "segment").touch()
    names.sync()
    synced.clear()
    (folder / "wal" / "another").touch()
    changed = (folder / "wal").stat()
    os.utime(folder / "wal", ns=(changed.st_atime_ns, changed.st_mtime_ns))
    names.sync()
    assert synced == ["wal"]


def test_what_another_process_has_synced_is_not_synced_again(folder: Path, synced: list[str]) -> None:
    elsewhere = SyncedNames(folder)
    elsewhere.sync()
    synced.clear()
    names = SyncedNames(folder, elsewhere.changed_ns)
    names.sync()
    assert synced == []
    (folder / "segments" / "a" / "index" / "file").touch()
    names.sync()
    assert synced == ["segments/a/index"]


@pytest.mark.usefixtures("times")
def test_what_could_not_be_synced_is_synced_next_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Path] = []

    def failing_once(path: Path) -> None:
        if path.name == "index":
            tried.append(path)
            if len(tried) == 1:
                raise OSError("no more handles")
        sync_directory(path)

    monkeypatch.setattr(edge_names, "sync_directory", failing_once)
    names = SyncedNames(folder)
    with pytest.raises(OSError, match="handles"):
        names.sync()
    names.sync()
    assert tried == [folder / "segments" / "a" / "index"] * 2
    names.sync()
    assert len(tried) == 2

"""Directories that are backups, those that are not yet, and those that never will be."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from soutu.adapters.backups import BackupFolder, BackupFolders, restore
from soutu.adapters.backups.manifest import read_manifest
from soutu.adapters.objects import LocalObjects
from soutu.domain.backup import Manifest, Snapshot
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.objects import content_key

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
PICTURE = b"a picture"
SHA256 = hashlib.sha256(PICTURE).hexdigest()
CATALOG = b"a catalogue"


class KnownFiles:
    """A CatalogFiles that knows what the tests' catalogues hold."""

    def holds_collections(self, path: Path) -> bool:
        return path.exists()

    def check(self, path: Path, schema: str) -> None:
        assert schema == "0001"

    def sha256(self, path: Path) -> str:
        return hashlib.sha256(path.read_bytes()).hexdigest()

    def contents(self, path: Path, prefix: str) -> Sequence[str]:
        return [SHA256] if SHA256.startswith(prefix) else []


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    directory = tmp_path / "data"
    (directory / "models" / "m" / "1").mkdir(parents=True)
    (directory / "models" / "m" / "1" / "card.toml").write_text("card")
    (directory / "token.key").write_bytes(b"k" * 32)
    return directory


async def begun(path: Path, data_dir: Path) -> BackupFolder:
    return await BackupFolders(data_dir, LocalObjects.open).open(path)


async def backed_up(path: Path, data_dir: Path) -> Manifest:
    folder = await begun(path, data_dir)
    catalog = folder.catalog(MOMENT)
    catalog.write_bytes(CATALOG)
    await folder.objects.put(content_key(SHA256), PICTURE)
    folder.keep_private()
    snapshot = Snapshot(MOMENT, "0001", 1, 1, hashlib.sha256(CATALOG).hexdigest())
    manifest = Manifest("0.1", snapshot, catalog.name, 1, ("f" * 64,))
    folder.finish(manifest)
    return manifest


async def test_a_manifest_comes_back_and_half_a_backup_has_none(tmp_path: Path, data_dir: Path) -> None:
    await begun(tmp_path / "b", data_dir)
    with pytest.raises(SoutuError) as unfinished:
        read_manifest(tmp_path / "b")
    assert unfinished.value.reason is Reason.SOURCE_NOT_FOUND
    assert await backed_up(tmp_path / "b", data_dir) == read_manifest(tmp_path / "b")
    assert not (tmp_path / "b" / "unfinished").exists()


async def test_a_backup_begun_again_keeps_the_one_that_is_whole(tmp_path: Path, data_dir: Path) -> None:
    manifest = await backed_up(tmp_path / "b", data_dir)
    (tmp_path / "b" / "catalog-left.db").write_bytes(b"half")
    await begun(tmp_path / "b", data_dir)
    assert read_manifest(tmp_path / "b") == manifest
    assert [file.name for file in (tmp_path / "b").glob("catalog-*")] == [manifest.catalog]


async def test_a_look_at_a_directory_changes_nothing(tmp_path: Path, data_dir: Path) -> None:
    folders = BackupFolders(data_dir, LocalObjects.open)
    await folders.check(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    await backed_up(tmp_path / "b", data_dir)
    (tmp_path / "b" / "catalog-of-another.db").write_bytes(b"half")
    await folders.check(tmp_path / "b")
    assert (tmp_path / "b" / "catalog-of-another.db").exists()
    for path in (data_dir / "inside", tmp_path, data_dir / "token.key", tmp_path / ("n" * 300)):
        with pytest.raises(SoutuError) as failure:
            await folders.check(path)
        assert failure.value.reason is Reason.FIELD_INVALID


async def test_directories_that_hold_anything_else_are_left_alone(tmp_path: Path, data_dir: Path) -> None:
    for path in (data_dir / "inside", tmp_path, data_dir / "token.key", tmp_path / ("n" * 300)):
        with pytest.raises(SoutuError) as failure:
            await begun(path, data_dir)
        assert failure.value.reason is Reason.FIELD_INVALID


async def test_a_restore_brings_everything_and_drops_an_old_index(tmp_path: Path, data_dir: Path) -> None:
    await backed_up(tmp_path / "b", data_dir)
    new = tmp_path / "new"
    (new / "index" / "1").mkdir(parents=True)
    restored = await restore(tmp_path / "b", new, LocalObjects.open, KnownFiles())
    assert (restored.content_count, restored.lost_count) == (1, 1)
    assert (new / "catalog.db").read_bytes() == CATALOG
    assert (new / "objects" / content_key(SHA256)).read_bytes() == PICTURE
    assert (new / "models" / "m" / "1" / "card.toml").read_text() == "card"
    assert (new / "token.key").read_bytes() == b"k" * 32
    assert not (new / "index").exists()
    with pytest.raises(SoutuError) as full:
        await restore(tmp_path / "b", new, LocalObjects.open, KnownFiles())
    assert full.value.reason is Reason.DEPLOYMENT_NOT_EMPTY


@pytest.mark.parametrize("damage", ["catalogue", "content", "missing content", "manifest"])
async def test_what_is_not_as_it_was_written_restores_nothing(
    tmp_path: Path, data_dir: Path, damage: str
) -> None:
    backup = tmp_path / "b"
    manifest = await backed_up(backup, data_dir)
    content = backup / "objects" / content_key(SHA256)
    match damage:
        case "catalogue":
            (backup / manifest.catalog).write_bytes(b"another")
        case "content":
            content.write_bytes(b"another")
        case "missing content":
            content.unlink()
        case "manifest":
            (backup / "manifest.json").write_text("{}")
    with pytest.raises(SoutuError) as failure:
        await restore(backup, tmp_path / "new", LocalObjects.open, KnownFiles())
    assert failure.value.reason in (Reason.CONTENT_LOST, Reason.SOURCE_NOT_FOUND)
    assert not (tmp_path / "new").exists()

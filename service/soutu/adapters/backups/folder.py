"""A directory that is, or becomes, a backup.

<directory>/manifest.json            vouches for the rest; moved here last, so half a backup has none
<directory>/catalog-<moment>.db      the snapshot that the manifest names
<directory>/objects/contents/...     the bytes of images, by their hash
<directory>/token.key, models/...    what else a deployment keeps for itself
<directory>/unfinished               while there is no manifest yet
"""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Collection, Set
from datetime import datetime
from pathlib import Path

from soutu.adapters.backups.files import copy_file, copy_tree
from soutu.adapters.backups.manifest import MANIFEST, manifest_text, read_manifest
from soutu.adapters.durable import sync, write_file
from soutu.domain.backup import Manifest
from soutu.domain.errors import invalid_field
from soutu.ports import ObjectStore

OpenObjects = Callable[[Path], Awaitable[ObjectStore]]
OBJECTS, MODELS, KEY = "objects", "models", "token.key"
_UNFINISHED = "unfinished"


class BackupFolder:
    """One such directory. `objects` takes contents under their keys; all other methods block."""

    def __init__(self, path: Path, data_dir: Path, objects: ObjectStore) -> None:
        self.objects = objects
        self._path = path
        self._data_dir = data_dir

    def catalog(self, moment: datetime) -> Path:
        """Where a snapshot taken at that moment goes; there is no such file."""
        return self._path / f"catalog-{moment:%Y%m%dT%H%M%S%f}.db"

    def keep_private(self) -> int:
        """Copies the key of page tokens and the models that were added; how many bytes."""
        size_bytes = copy_tree(self._data_dir / MODELS, self._path / MODELS)
        return size_bytes + copy_file(self._data_dir / KEY, self._path / KEY)

    def finish(self, manifest: Manifest) -> None:
        """Makes the directory the backup that `manifest` describes, at one stroke."""
        write_file(self._path / MANIFEST, manifest_text(manifest).encode())
        (self._path / _UNFINISHED).unlink(missing_ok=True)
        sync(self._path)

    def tidy(self, manifest: Manifest) -> None:
        """Removes snapshots that no manifest names."""
        for left in self._path.glob("catalog-*.db*"):
            if left.name != manifest.catalog:
                left.unlink(missing_ok=True)

    def tidy_contents(self, prefix: str, wanted: Collection[str]) -> None:
        """Removes contents with this prefix that the backup does not need any more."""
        directory = self._path / OBJECTS / "contents" / prefix
        for file in directory.iterdir() if directory.is_dir() else ():
            if file.name not in wanted:
                file.unlink()


class BackupFolders:
    """Opens directories as backups of the deployment in `data_dir`."""

    def __init__(self, data_dir: Path, open_objects: OpenObjects) -> None:
        self._data_dir = data_dir
        self._open_objects = open_objects

    async def check(self, path: Path) -> None:
        """FIELD_INVALID where `open` would refuse the directory; changes nothing."""
        await asyncio.to_thread(_check, path, self._data_dir)

    async def open(self, path: Path) -> BackupFolder:
        """A directory that is new, empty, a backup, or one that was begun; FIELD_INVALID for any other.
        Removes what an earlier backup left unfinished: one at a time may be at work in a directory."""
        await asyncio.to_thread(_prepare, path, self._data_dir)
        return BackupFolder(path, self._data_dir, await self._open_objects(path / OBJECTS))


def _prepare(path: Path, data_dir: Path) -> None:
    names = _check(path, data_dir)
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise invalid_field("path", f"cannot be made: {error.strerror}") from error
    if MANIFEST not in names:
        write_file(path / _UNFINISHED, b"")
        kept = ""
    else:
        kept = read_manifest(path).catalog
    for left in path.glob("catalog-*.db*"):
        if left.name != kept:
            left.unlink(missing_ok=True)
    shutil.rmtree(path / OBJECTS / "_staging", ignore_errors=True)


def _check(path: Path, data_dir: Path) -> Set[str]:
    """The names in the directory, none where there is none; FIELD_INVALID where it cannot be a backup."""
    if path.is_relative_to(data_dir.resolve()):
        raise invalid_field("path", "must not lie in the data directory")
    try:
        names = frozenset(entry.name for entry in path.iterdir())
    except FileNotFoundError:
        return frozenset()
    except NotADirectoryError as error:
        raise invalid_field("path", "must be a directory, or name one to be made") from error
    except OSError as error:
        raise invalid_field("path", f"cannot be looked at: {error.strerror}") from error
    if names and not names & {MANIFEST, _UNFINISHED}:
        raise invalid_field("path", "holds files that are no backup; name another directory")
    return names

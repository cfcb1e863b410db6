"""Restoring: a backup becomes the deployment of an empty data directory, before any server opens it.

Everything is proven by its hash first. The catalogue comes last: what is interrupted before that leaves a
deployment as empty as it was, and is done again by the same call.
"""

import asyncio
import hashlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

from soutu.adapters.backups.files import copy_file, copy_tree
from soutu.adapters.backups.folder import KEY, MODELS, OBJECTS, OpenObjects
from soutu.adapters.backups.manifest import read_manifest
from soutu.domain.backup import Manifest, Restored
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.objects import content_key
from soutu.ports import ObjectStore

_CATALOG, _INDEX = "catalog.db", "index"
_AT_ONCE = 16


class CatalogFiles(Protocol):
    """What must be known of catalogues that no server has open. Everything blocks."""

    def holds_collections(self, path: Path) -> bool:
        """Whether there is a catalogue at `path` that knows any collection."""
        ...

    def check(self, path: Path, schema: str) -> None:
        """CATALOG_UNAVAILABLE unless it is whole and of a schema that we know."""
        ...

    def sha256(self, path: Path) -> str:
        """The hash of the file, in hexadecimal."""
        ...

    def contents(self, path: Path, prefix: str) -> Sequence[str]:
        """The sha256s with this prefix whose bytes the images of the catalogue have stored."""
        ...


@dataclass(frozen=True, slots=True)
class _Backup:
    """A backup whose manifest was read."""

    path: Path
    manifest: Manifest
    files: CatalogFiles

    @property
    def catalog(self) -> Path:
        return self.path / self.manifest.catalog

    def contents(self) -> Iterator[str]:
        """Every content that the backup must hold."""
        lost = frozenset(self.manifest.lost)
        for number in range(256):
            for sha256 in self.files.contents(self.catalog, f"{number:02x}"):
                if sha256 not in lost:
                    yield sha256

    def bytes_of(self, sha256: str) -> bytes:
        """A content's bytes, proven: CONTENT_LOST."""
        try:
            data = (self.path / OBJECTS / content_key(sha256)).read_bytes()
        except OSError as error:
            raise _damaged(f"lacks the content {sha256}") from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise _damaged(f"has other bytes than it should for the content {sha256}")
        return data


async def restore(path: Path, data_dir: Path, open_objects: OpenObjects, files: CatalogFiles) -> Restored:
    """Takes the backup at `path` into `data_dir`, whose lock the caller holds: SOURCE_NOT_FOUND,
    DEPLOYMENT_NOT_EMPTY, CONTENT_LOST where the backup is not as it was written, CATALOG_UNAVAILABLE."""
    backup = _Backup(path, await asyncio.to_thread(read_manifest, path), files)
    if await asyncio.to_thread(files.holds_collections, data_dir / _CATALOG):
        raise SoutuError(
            Reason.DEPLOYMENT_NOT_EMPTY, f"{data_dir} holds collections; restore into another --data-dir."
        )
    count = await asyncio.to_thread(_proven, backup)
    objects = await open_objects(data_dir / OBJECTS)
    contents = backup.contents()
    while some := await asyncio.to_thread(lambda: list(islice(contents, _AT_ONCE))):
        await asyncio.gather(*(_take(backup, objects, sha256) for sha256 in some))
    await asyncio.to_thread(_take_catalog, backup, data_dir)
    return Restored(backup.manifest.snapshot, count, len(backup.manifest.lost))


async def _take(backup: _Backup, objects: ObjectStore, sha256: str) -> None:
    await objects.put(content_key(sha256), await asyncio.to_thread(backup.bytes_of, sha256))


def _proven(backup: _Backup) -> int:
    """How many contents the backup holds, each with the right bytes: CONTENT_LOST."""
    snapshot = backup.manifest.snapshot
    if not backup.catalog.is_file() or backup.files.sha256(backup.catalog) != snapshot.sha256:
        raise _damaged("has another catalogue than was written")
    backup.files.check(backup.catalog, snapshot.schema)
    count = sum(1 for sha256 in backup.contents() if backup.bytes_of(sha256))
    if count != backup.manifest.content_count:
        raise _damaged("holds another number of contents than was written")
    return count


def _take_catalog(backup: _Backup, data_dir: Path) -> None:
    copy_tree(backup.path / MODELS, data_dir / MODELS)
    copy_file(backup.path / KEY, data_dir / KEY)
    shutil.rmtree(data_dir / _INDEX, ignore_errors=True)  # of other rows under the same numbers
    for log in ("-wal", "-shm"):
        (data_dir / f"{_CATALOG}{log}").unlink(missing_ok=True)
    copy_file(backup.catalog, data_dir / _CATALOG)


def _damaged(what: str) -> SoutuError:
    return SoutuError(Reason.CONTENT_LOST, f"The backup {what}; use another.")

"""Consistent copies of a SQLite catalogue while it is written to; and its log cut short.

Both work on connections of their own, in a thread. VACUUM INTO reads one moment of the database, however long
it takes, and writes neither free pages nor a log.
"""

import asyncio
import hashlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from soutu.adapters.catalog.migrations import NEWEST
from soutu.adapters.catalog.part import CatalogPart
from soutu.adapters.catalog.sqlite import explain
from soutu.domain.backup import Snapshot
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.operation import OperationKind

_TRIES = 50
_PAUSE_S = 0.1
_COUNTS = (
    "SELECT (SELECT COUNT(*) FROM collections WHERE id IS NOT NULL), (SELECT COUNT(*) FROM images),"
    " (SELECT version_num FROM alembic_version)"
)
_STORED = (
    "SELECT DISTINCT sha256 FROM images"
    " WHERE sha256 >= ? AND sha256 < ? AND keeping = 'stored' ORDER BY sha256"
)
_BOUND_HERE = (OperationKind.BACKUP.value, OperationKind.EXPORT.value)
_FORGET_OPERATIONS = "DELETE FROM operations WHERE kind IN (?, ?) AND state IN ('pending', 'running')"


class SqlSnapshots(CatalogPart):
    """Keeps the snapshot part of the Catalog port, for catalogues that are a file."""

    def check_snapshots(self) -> None:
        """BACKUP_UNSUPPORTED where the catalogue is a database server's, which makes its own copies."""
        if not self._database.is_file:
            raise SoutuError(Reason.BACKUP_UNSUPPORTED)

    async def snapshot(self, path: Path) -> Snapshot:
        """Writes the catalogue as it is at this moment to the new file `path`, durably, without unfinished
        backups and exports, which make no sense elsewhere. CATALOG_UNAVAILABLE, BACKUP_UNSUPPORTED."""
        self.check_snapshots()
        moment = self._clock.now()
        with self._database.translated():
            await _interruptible(str(self._database.url.database), path)
            collections, images, schema = await asyncio.to_thread(_settled, path)
            sha256 = await asyncio.to_thread(file_sha256, path)
        return Snapshot(moment, schema, collections, images, sha256)

    async def snapshot_contents(self, path: Path, prefix: str) -> Sequence[str]:
        """The sha256s, in order, with this prefix whose bytes the snapshot's images have stored."""
        with self._database.translated():
            return await asyncio.to_thread(_stored, path, prefix)

    async def cut_log(self) -> None:
        """Moves the write-ahead log into the database and empties it, so that nothing is left in it of what
        was deleted. CATALOG_UNAVAILABLE where somebody goes on reading an old state for 5 s. A server's logs
        are the server's."""
        if not self._database.is_file:
            return
        with self._database.translated():
            for _ in range(_TRIES):
                if await asyncio.to_thread(_log_was_cut, str(self._database.url.database)):
                    return
                await asyncio.sleep(_PAUSE_S)
        raise SoutuError(Reason.CATALOG_UNAVAILABLE, "The catalogue's log is in use; retry.")


class SqliteFiles:
    """Looks at catalogues that no server has open. Everything blocks; CATALOG_UNAVAILABLE where SQLite
    cannot read the file."""

    def holds_collections(self, path: Path) -> bool:
        """Whether the catalogue, if there is one at `path`, knows any collection."""
        if not path.exists():
            return False
        with _explained(), closing(sqlite3.connect(path)) as database:
            if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'collections'").fetchone():
                return False
            return database.execute("SELECT 1 FROM collections LIMIT 1").fetchone() is not None

    def check(self, path: Path, schema: str) -> None:
        """CATALOG_UNAVAILABLE unless the file is a whole catalogue of a schema that we know."""
        from soutu.adapters.catalog.migrations.run import is_known

        if schema != NEWEST and not is_known(schema):
            raise SoutuError(
                Reason.CATALOG_UNAVAILABLE, f"A newer Soutu wrote the catalogue (its schema is {schema})."
            )
        with _explained(), closing(_read_only(path)) as database:
            if database.execute("PRAGMA quick_check").fetchone() != ("ok",):
                raise SoutuError(Reason.CATALOG_UNAVAILABLE, "The backup's catalogue is damaged.")

    def sha256(self, path: Path) -> str:
        """The hash of the file, in hexadecimal."""
        return file_sha256(path)

    def contents(self, path: Path, prefix: str) -> Sequence[str]:
        """The sha256s, in order, with this prefix whose bytes the catalogue's images have stored."""
        with _explained():
            return _stored(path, prefix)


def file_sha256(path: Path) -> str:
    """The hash of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise SoutuError(Reason.CATALOG_UNAVAILABLE, explain(error)) from error


async def _interruptible(source: str, path: Path) -> None:
    """VACUUM INTO, which ends early when the task is cancelled."""
    with closing(sqlite3.connect(source, check_same_thread=False)) as database:
        copying = asyncio.create_task(
            asyncio.to_thread(lambda: database.execute("VACUUM INTO ?", (str(path),)) and None)
        )
        try:
            await asyncio.shield(copying)
        except asyncio.CancelledError:
            database.interrupt()
            await asyncio.gather(copying, return_exceptions=True)
            raise


def _settled(path: Path) -> tuple[int, int, str]:
    """Tidies the copy, makes it durable, and counts what it holds: collections, images, and its schema."""
    with closing(sqlite3.connect(path)) as database:
        with database:
            database.execute(_FORGET_OPERATIONS, _BOUND_HERE)
        collections, images, schema = database.execute(_COUNTS).fetchone()
    for place in (path, path.parent):
        descriptor = os.open(place, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return int(collections), int(images), str(schema)


def _stored(path: Path, prefix: str) -> list[str]:
    with closing(_read_only(path)) as database:
        return [sha256 for (sha256,) in database.execute(_STORED, (prefix, f"{prefix}g"))]


def _log_was_cut(path: str) -> bool:
    with closing(sqlite3.connect(path)) as database:
        busy, _, _ = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy


def _read_only(path: Path) -> sqlite3.Connection:
    """A connection to a file that nobody writes to."""
    return sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)

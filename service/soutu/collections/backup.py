"""Backups: a consistent copy of everything while the service goes on.

The catalogue is copied at one moment; then the contents that the copy refers to, which nothing removes while
the backup runs. A backup into the directory of an earlier one copies only what is new.
"""

import asyncio
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar

from soutu import __version__
from soutu.collections.places import allowed_place
from soutu.domain.backup import Manifest
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.objects import content_key
from soutu.domain.operation import Operation, OperationKind
from soutu.observe.logs import logger
from soutu.operations.job import Job
from soutu.ports import Catalog, Clock, ObjectStore

_PREFIXES = tuple(f"{number:02x}" for number in range(256))
_AT_ONCE = 8
_log = logger(__name__)
_P = ParamSpec("_P")
_T = TypeVar("_T")


class BackupFolder(Protocol):
    """A directory that becomes a backup. All but `objects` block."""

    @property
    def objects(self) -> ObjectStore:
        """Where contents go, under their keys."""
        ...

    def catalog(self, moment: datetime) -> Path:
        """Where a snapshot taken at that moment goes; there is no such file."""
        ...

    def keep_private(self) -> int:
        """Copies what a deployment keeps for itself; how many bytes."""
        ...

    def finish(self, manifest: Manifest) -> None:
        """Makes the directory the backup that the manifest describes, at one stroke."""
        ...

    def tidy(self, manifest: Manifest) -> None:
        """Removes snapshots that no manifest names."""
        ...

    def tidy_contents(self, prefix: str, wanted: Collection[str]) -> None:
        """Removes contents with this prefix that are not wanted any more."""
        ...


class BackupFolders(Protocol):
    """Opens directories to be backups."""

    async def check(self, path: Path) -> None:
        """FIELD_INVALID for a directory that cannot be a backup; changes nothing."""
        ...

    async def open(self, path: Path) -> BackupFolder:
        """As `check`, and removes what an earlier backup left unfinished there."""
        ...


class Backups:
    """The backup story; also the work of its operation. While `removals` is held, no content is removed."""

    def __init__(
        self,
        catalog: Catalog,
        objects: ObjectStore,
        folders: BackupFolders,
        clock: Clock,
        removals: asyncio.Lock,
        roots: Sequence[Path],
    ) -> None:
        self._catalog = catalog
        self._objects = objects
        self._folders = folders
        self._clock = clock
        self._removals = removals
        self._roots = roots

    async def begin(self, path: str) -> Operation:
        """A backup into a directory that is new, empty or a backup: SOURCE_NOT_ALLOWED, FIELD_INVALID,
        BACKUP_RUNNING, BACKUP_UNSUPPORTED."""
        self._catalog.check_snapshots()
        place = await asyncio.to_thread(allowed_place, path, self._roots)
        await self._folders.check(place)
        return await self._catalog.create_operation(OperationKind.BACKUP, 0, "", {"path": str(place)})

    async def run(self, job: Job) -> Mapping[str, object]:
        """The work of a backup operation; one that was interrupted begins again, and copies nothing twice."""
        path = await asyncio.to_thread(allowed_place, str(job.operation.request["path"]), self._roots)
        job.progress = replace(job.progress, total=len(_PREFIXES), done=0, failed=0)
        async with self._removals:  # to the end: of two backups, neither tidies away what the other copies
            folder = await self._folders.open(path)
            catalog = folder.catalog(self._clock.now())
            snapshot = await self._catalog.snapshot(catalog)
            copy = await self._copied(job, folder, catalog)
            manifest = Manifest(__version__, snapshot, catalog.name, copy.count, tuple(sorted(copy.lost)))
            size_bytes = copy.size_bytes + await _carried_through(_finished, folder, catalog, manifest)
            await self._tidy(folder, catalog, manifest)
        return {"size_bytes": size_bytes, "snapshot_time": snapshot.moment}

    async def give_up(self, operation: Operation) -> None:
        """Half a backup has no manifest; the next one into the same directory builds on it."""

    async def _copied(self, job: Job, folder: BackupFolder, catalog: Path) -> "Copying":
        copy = Copying(self._objects, folder.objects)
        for prefix in _PREFIXES:
            await copy.all(await self._catalog.snapshot_contents(catalog, prefix))
            job.progress = replace(job.progress, done=job.progress.done + 1, failed=len(copy.lost))
        return copy

    async def _tidy(self, folder: BackupFolder, catalog: Path, manifest: Manifest) -> None:
        await _carried_through(folder.tidy, manifest)
        for prefix in _PREFIXES:
            wanted = frozenset(await self._catalog.snapshot_contents(catalog, prefix))
            await _carried_through(folder.tidy_contents, prefix, wanted)


class Copying:
    """Copies contents into a backup. `count` are there in the end, `size_bytes` were copied for it, and
    `lost` could not be: their bytes are gone or changed."""

    def __init__(self, source: ObjectStore, target: ObjectStore) -> None:
        self.count = 0
        self.size_bytes = 0
        self.lost: list[str] = []
        self._source = source
        self._target = target
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def all(self, sha256s: Sequence[str]) -> None:
        """Copies these, if they are not there; one that is lost does not stop the others."""
        async with asyncio.TaskGroup() as group:
            for sha256 in sha256s:
                group.create_task(self._copy(sha256))

    async def _copy(self, sha256: str) -> None:
        async with self._turns:
            try:
                self.size_bytes += await self._copied(sha256)
                self.count += 1
            except SoutuError as error:
                if error.reason is not Reason.CONTENT_LOST:
                    raise
                _log.warning("a content is missing in the backup", sha256=sha256)
                self.lost.append(sha256)

    async def _copied(self, sha256: str) -> int:
        key = content_key(sha256)
        if await self._target.exists(key):
            return 0
        data = await self._source.get(key)
        if await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest()) != sha256:
            raise SoutuError(Reason.CONTENT_LOST)
        await self._target.put(key, data)
        return len(data)


async def _carried_through(work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """What `work` answers in a thread; a cancellation waits for its end, so that no lock is let go before."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    finally:
        await asyncio.wait([task])


def _finished(folder: BackupFolder, catalog: Path, manifest: Manifest) -> int:
    size_bytes = folder.keep_private() + catalog.stat().st_size
    folder.finish(manifest)
    return size_bytes

"""Objects in a local directory, durable against a power cut."""

import asyncio
from pathlib import Path
from typing import Self
from uuid import uuid4

from obstore.store import LocalStore

from soutu.adapters.durable import sync
from soutu.adapters.objects.store import ObstoreObjects
from soutu.domain.errors import Reason, SoutuError

_STAGING = "_staging"


class LocalObjects(ObstoreObjects):
    """Objects as files under a directory, each by its key.

    obstore's local store syncs nothing, so an object is written aside, synced, moved to its key, and its
    directory synced: what lies under a key is always whole. One process at a time, under the data
    directory's lock.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(LocalStore(directory))
        self._directory = directory
        self._durable_directories = {directory}

    @classmethod
    async def open(cls, directory: Path) -> Self:
        """The objects in `directory`, which is made if need be; removes what a killed process left half
        written. OBJECTS_UNAVAILABLE."""
        try:
            await asyncio.to_thread(_prepare, directory)
        except OSError as error:
            raise SoutuError(Reason.OBJECTS_UNAVAILABLE) from error
        return cls(directory)

    async def _write(self, key: str, data: bytes) -> None:
        # One that was there may have been damaged since.
        if not await self.exists(key) or await self.get(key) != data:
            await self._move_in(key, data)
        # Also for an object that was there: another call may be just about to do this.
        await asyncio.to_thread(self._sync_entry, self._directory / key)

    async def _move_in(self, key: str, data: bytes) -> None:
        staged = f"{_STAGING}/{uuid4().hex}"
        try:
            await self._store.put_async(staged, data, use_multipart=False)
            await asyncio.to_thread(sync, self._directory / staged)
            await self._store.rename_async(staged, key)
        except BaseException:
            (self._directory / staged).unlink(missing_ok=True)
            raise

    def _sync_entry(self, path: Path) -> None:
        """Makes the file's entry durable, and those of directories that were made for it."""
        directory = path.parent
        sync(directory)
        if directory not in self._durable_directories:
            self._sync_entry(directory)
            self._durable_directories.add(directory)


def _prepare(directory: Path) -> None:
    staging = directory / _STAGING
    staging.mkdir(parents=True, exist_ok=True)
    for left in staging.iterdir():
        left.unlink()
    for made in (directory, directory.parent):
        sync(made)

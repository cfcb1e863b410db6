"""Making the names of a shard's files survive a power cut by as few system calls as possible.

Each call that gives back the interpreter's lock waits for it for up to 20 ms where searches go on without
pause, and a shard has hundreds of directories, of which a write changes a few at most.
"""

import ctypes
import os
import struct
import time
from collections.abc import Mapping
from pathlib import Path

from soutu.adapters.vectors.edge_seal import sync_directory

# The file system's clock stands still for up to 10 ms: a second change may bear the same time.
SETTLED_S = 0.1
_UNKNOWN = 0
_GONE = -1
# linux/stat.h
_AT_FDCWD = -100
_STATX_MTIME = 0x40
_STATX_BYTES = 256
_MTIME = struct.Struct("qI")
_MTIME_AT = 112


class SyncedNames:
    """The directories of `folder` and when each was changed last, as of their last sync; `changed_ns` may
    come from another process that has just synced them all. Not thread-safe."""

    def __init__(self, folder: Path, changed_ns: Mapping[str, int] | None = None) -> None:
        self._changed_ns = {str(folder): _UNKNOWN, **(changed_ns or {})}

    @property
    def changed_ns(self) -> Mapping[str, int]:
        """Each directory's time; 0 where it is not certain that it tells every change."""
        return self._changed_ns

    def sync(self) -> None:
        """Syncs every directory whose names have changed since, and those that are new in it."""
        for path, before in list(self._changed_ns.items()):
            now = _changed_ns(path)
            if now == _GONE:
                del self._changed_ns[path]
            elif now != before:
                self._sync(path)

    def _sync(self, path: str) -> None:
        changed_ns = _changed_ns(path)  # before its names are synced and read: later ones are seen next time
        settled = changed_ns < time.time_ns() - SETTLED_S * 1e9
        try:
            sync_directory(Path(path))
            inside = [entry.path for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False)]
        except FileNotFoundError:  # the optimizer has removed it meanwhile
            return
        for each in inside:
            if each not in self._changed_ns:
                self._sync(each)
        self._changed_ns[path] = changed_ns if settled else _UNKNOWN  # last: what fails is tried again


def _changed_ns(path: str) -> int:
    """When the names in the directory were changed last; -1 where there is none. Keeps the interpreter's
    lock, where the system's library lets it."""
    told = ctypes.create_string_buffer(_STATX_BYTES)
    if _statx and _statx(_AT_FDCWD, os.fsencode(path), 0, _STATX_MTIME, told) == 0:
        seconds, nanoseconds = _MTIME.unpack_from(told, _MTIME_AT)
        return int(seconds * 10**9 + nanoseconds)
    try:  # also where a container's rules refuse the call
        return Path(path).stat().st_mtime_ns
    except FileNotFoundError:
        return _GONE


_statx = getattr(ctypes.PyDLL(None), "statx", None)  # of glibc since 2.28 and musl since 1.2

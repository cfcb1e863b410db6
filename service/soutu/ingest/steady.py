"""Reading files that somebody may be writing: all of one state, or not at all."""

import os
import stat
import time

from soutu.domain.errors import Reason, SoutuError
from soutu.ingest.sources import Picture

_TRIES = 4
_PAUSE_S = 0.15
# No link at the end of the path, no waiting for a pipe's other end.
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# On the way there: directories only, no links, and no permission needed but to pass through.
_WAY = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def read_steady(path: str, limit_bytes: int) -> Picture:
    """The bytes of a file that did not change while they were read, with the file's time.

    `path` is absolute and without links; one that somebody has put on the way since is not followed.
    ORIGINAL_GONE; ORIGINAL_CHANGED where it goes on changing; IMAGE_TOO_LARGE above the limit.
    """
    for turn in range(_TRIES):
        time.sleep(turn * _PAUSE_S)
        picture = _read_once(path, limit_bytes)
        if picture:
            return picture
    raise SoutuError(
        Reason.ORIGINAL_CHANGED, "The file was changed while it was read; sync its source when it is done."
    )


def _read_once(path: str, limit_bytes: int) -> Picture | None:
    try:
        descriptor = _opened(path)
        with os.fdopen(descriptor, "rb") as file:
            before = os.fstat(descriptor)
            _refuse_others(before, limit_bytes)
            content = file.read(limit_bytes + 1)
            after = os.fstat(descriptor)
    except OSError as error:
        raise SoutuError(Reason.ORIGINAL_GONE, "The file could not be read.") from error
    steady = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    return Picture(content, path, after.st_mtime_ns) if steady and len(content) == after.st_size else None


def _opened(path: str) -> int:
    """A descriptor of the file, reached directory by directory."""
    *way, name = path.split("/")[1:]
    place = os.open("/", _WAY)
    try:
        for part in filter(None, way):
            place, left = os.open(part, _WAY, dir_fd=place), place
            os.close(left)
        return os.open(name, _FLAGS, dir_fd=place)
    finally:
        os.close(place)


def _refuse_others(status: os.stat_result, limit_bytes: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise SoutuError(Reason.ORIGINAL_GONE, "There is no regular file.")
    if status.st_size > limit_bytes:
        raise SoutuError(Reason.IMAGE_TOO_LARGE, f"The file has more than {limit_bytes} bytes.")

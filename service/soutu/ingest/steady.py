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


def read_steady(path: str, limit_bytes: int) -> Picture:
    """The bytes of a file that did not change while they were read, with the file's time.

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
        descriptor = os.open(path, _FLAGS)
        with os.fdopen(descriptor, "rb") as file:
            before = os.fstat(descriptor)
            _refuse_others(before, limit_bytes)
            content = file.read(limit_bytes + 1)
            after = os.fstat(descriptor)
    except OSError as error:
        raise SoutuError(Reason.ORIGINAL_GONE, "The file could not be read.") from error
    steady = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    return Picture(content, path, after.st_mtime_ns) if steady and len(content) == after.st_size else None


def _refuse_others(status: os.stat_result, limit_bytes: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise SoutuError(Reason.ORIGINAL_GONE, "There is no regular file.")
    if status.st_size > limit_bytes:
        raise SoutuError(Reason.IMAGE_TOO_LARGE, f"The file has more than {limit_bytes} bytes.")

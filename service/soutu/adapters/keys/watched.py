"""Keys of a file that may change at any time, and of the settings."""

import asyncio
from contextlib import suppress
from pathlib import Path

from soutu.domain.access import Key, KeyRing, KeysError, keys_of
from soutu.observe.logs import logger

_LOOK_S = 1.0
_log = logger(__name__)

Stamp = tuple[int, int, int]


class WatchedKeys:
    """The keys in force, in `ring`. The file is looked at every second; while it is broken or gone, the last
    good keys stay in force and the log says so, once."""

    def __init__(self, file: Path | None, text: str = "") -> None:
        """Reads the keys of the file and those of `text`, from the settings; KeysError."""
        self._file = file
        self._given = keys_of(text, "access.keys") if text else ()
        self._stamp = _stamp(file) if file else None
        self.ring = KeyRing(self._all(self._read()))
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to watch the file."""
        if self._file:
            self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Stops watching."""
        if self._watching:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            await asyncio.to_thread(self._look)

    def _look(self) -> None:
        assert self._file, "only a file is watched"
        stamp = _stamp(self._file)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            keys = self._all(self._read())
        except KeysError as error:
            _log.error("the last good keys stay in force", problem=str(error))
            return
        self.ring = KeyRing(keys)
        _log.info("keys were read anew", keys=[key.label for key in keys])

    def _read(self) -> tuple[Key, ...]:
        if self._file is None:
            return ()
        try:
            return keys_of(self._file.read_text("utf-8"), str(self._file))
        except OSError as error:
            raise KeysError(f"{self._file} cannot be read: {error.strerror}.") from error
        except UnicodeDecodeError as error:
            raise KeysError(f"{self._file} is not a text in UTF-8.") from error

    def _all(self, read: tuple[Key, ...]) -> tuple[Key, ...]:
        labels = {key.label for key in self._given}
        if twice := [key.label for key in read if key.label in labels]:
            raise KeysError(f"{self._file} and access.keys both have a key {twice[0]}.")
        return self._given + read


def _stamp(file: Path) -> Stamp | None:
    """What changes with the file; None where there is none."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino

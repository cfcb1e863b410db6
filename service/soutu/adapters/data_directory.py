"""The data directory of the embedded profile: one process at a time, under a lock."""

import fcntl
import json
import os
import secrets
from pathlib import Path

from soutu.adapters.durable import write_file
from soutu.domain.errors import Reason, SoutuError

_KEY_BYTES = 32


class DataDirectory:
    """Holds a directory for this process until `close`; the lock falls, too, when the process dies."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock
        self._announcement = path / "server.json"

    @classmethod
    def open(cls, path: Path) -> "DataDirectory":
        """Makes the directory if need be and takes its lock; DATA_DIRECTORY_UNUSABLE."""
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SoutuError(
                Reason.DATA_DIRECTORY_UNUSABLE,
                f"The data directory {path} cannot be written: {error.strerror}.",
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            raise SoutuError(
                Reason.DATA_DIRECTORY_UNUSABLE,
                f"Another server uses the data directory {path}; stop it, or choose another with --data-dir.",
            ) from error
        return cls(path, lock)

    def secret_key(self) -> bytes:
        """The key that page tokens are signed with, made on first use."""
        file = self.path / "token.key"
        if not file.exists():
            write_file(file, secrets.token_bytes(_KEY_BYTES))
        return file.read_bytes()

    def announce(self, address: str, *, tls: bool = False) -> None:
        """Tells other programs of this machine where the server listens, and whether it speaks TLS."""
        text = json.dumps({"address": address, "pid": os.getpid(), "tls": tls})
        write_file(self._announcement, text.encode())

    def close(self) -> None:
        """Takes the announcement back and lets go of the lock."""
        self._announcement.unlink(missing_ok=True)
        os.close(self._lock)

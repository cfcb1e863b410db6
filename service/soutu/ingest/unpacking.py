"""The bytes of an archive, decompressed as they are read, and never more of them than is sound."""

import bz2
import gzip
import lzma
import os
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from soutu.domain.errors import Reason, SoutuError

DAMAGE = (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError)
"""What reading a damaged archive raises."""

_MAGIC: Mapping[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open, b"\xfd7zXZ": lzma.open}
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class UnpackLimits:
    """The most that an archive may unpack to: bytes in all, times its own size (pictures hardly compress;
    small archives may in any case unpack to `floor_bytes`), and bytes of one header."""

    total_bytes: int = 16 * 1024 * 1024 * _MIB
    ratio: int = 50
    floor_bytes: int = 64 * _MIB
    header_bytes: int = _MIB
    members: int = 2_000_000

    def allowed(self, packed_bytes: int) -> int:
        """The most bytes that an archive of this size may unpack to."""
        return min(self.total_bytes, max(self.floor_bytes, self.ratio * packed_bytes))


class Unpacked:
    """A file of bytes for tarfile, which reads the headers through it. Going forward decompresses what is
    passed over; going back begins anew. Everything beyond the limits is SOURCE_TOO_LARGE."""

    def __init__(self, path: Path, limits: UnpackLimits) -> None:
        self._file = _opened(path)
        self._limits = limits
        self._allowed = limits.allowed(path.stat().st_size)

    def tell(self) -> int:
        """Where in the unpacked bytes."""
        return self._file.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Only to an absolute place: what tarfile does."""
        assert whence == os.SEEK_SET
        self._check(offset)
        return self._file.seek(offset)

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes of headers."""
        if not 0 <= size <= self._limits.header_bytes:
            raise SoutuError(
                Reason.SOURCE_TOO_LARGE,
                f"The archive has a header of more than {self._limits.header_bytes} bytes.",
            )
        self._check(self.tell() + size)
        return self._file.read(size)

    def take(self, offset: int, size: int) -> bytes:
        """The bytes of a member."""
        self._check(offset + size)
        self._file.seek(offset)
        return self._file.read(size)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _check(self, offset: int) -> None:
        if offset > self._allowed:
            raise SoutuError(
                Reason.SOURCE_TOO_LARGE, f"The archive unpacks to more than {self._allowed} bytes; unpack it."
            )


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        beginning = file.read(6)
    for magic, opener in _MAGIC.items():
        if beginning.startswith(magic):
            return cast(BinaryIO, opener(path, "rb"))
    return path.open("rb")

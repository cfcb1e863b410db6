"""Exports as directories: written aside and moved into place when whole; read where they are.

<directory>/export.json              what the export is
<directory>/*.parquet, features.h5   the images
<directory>/originals/ab/<sha256>    their bytes
"""

import json
import os
import re
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from soutu.adapters.durable import sync
from soutu.adapters.exports.hdf5 import Hdf5Reader, Hdf5Writer
from soutu.adapters.exports.library import library, unreadable
from soutu.adapters.exports.parquet import ParquetReader, ParquetWriter
from soutu.domain.collection import AttributeType
from soutu.domain.errors import invalid_field
from soutu.domain.exchange import Exported, ExportFormat, ExportHeader
from soutu.domain.model import ModelRef

_HEADER, _ORIGINALS = "export.json", "originals"
_VERSION = 1
# No link at the end of the path, no waiting for a pipe's other end.
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_SHA256 = re.compile(r"[0-9a-f]{64}")


class _Writer(Protocol):
    def write(self, rows: Sequence[Exported]) -> None: ...

    def close(self) -> None: ...


class _Reader(Protocol):
    total: int

    def read(self, start: int, limit: int) -> Sequence[Exported]: ...

    def close(self) -> None: ...


class WrittenFolder:
    """An export under way, in a directory beside its own. Everything blocks."""

    def __init__(self, path: Path, header: ExportHeader) -> None:
        self._path = path
        self._staged = path.with_name(f".{path.name}.unfinished")
        shutil.rmtree(self._staged, ignore_errors=True)
        self._staged.mkdir(parents=True, mode=0o700)
        (self._staged / _HEADER).write_text(_header_text(header), "utf-8")
        make = ParquetWriter if header.format is ExportFormat.PARQUET else Hdf5Writer
        self._writer: _Writer = make(self._staged, header)

    def write(self, rows: Sequence[Exported]) -> None:
        """Adds these images."""
        self._writer.write(rows)

    def keep(self, sha256: str, data: bytes) -> None:
        """Adds an original."""
        file = self._staged / _ORIGINALS / sha256[:2] / sha256
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)

    def finish(self) -> int:
        """Makes it all durable and gives it its name; how many bytes it has."""
        self._writer.close()
        size_bytes = 0
        for file in self._staged.rglob("*"):
            size_bytes += file.stat().st_size if file.is_file() else 0
            sync(file)
        sync(self._staged)
        self._staged.rename(self._path)
        sync(self._path.parent)
        return size_bytes

    def discard(self) -> None:
        """Removes what was written, if it has no name yet."""
        self._writer.close()
        shutil.rmtree(self._staged, ignore_errors=True)


class ReadFolder:
    """An export to be read. Everything blocks; SOURCE_NOT_FOUND where it is not whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.header = _read_header(path / _HEADER)
        make = ParquetReader if self.header.format is ExportFormat.PARQUET else Hdf5Reader
        self._reader: _Reader = make(path, self.header)
        self.total = self._reader.total

    def read(self, start: int, limit: int) -> Sequence[Exported]:
        """Up to `limit` images from row `start` on; none at the end."""
        return self._reader.read(start, limit)

    def original(self, sha256: str, limit_bytes: int) -> bytes | None:
        """The bytes that are kept under this hash, unproven; None if there are none, or more."""
        if not _SHA256.fullmatch(sha256):
            return None
        try:
            return _regular(self._path / _ORIGINALS / sha256[:2] / sha256, limit_bytes)
        except OSError:
            return None

    def close(self) -> None:
        """Closes the files."""
        self._reader.close()


class ExportFolders:
    """Opens directories as exports."""

    def check(self, path: Path, format: ExportFormat) -> None:  # noqa: A002
        """FIELD_INVALID unless an export can be made at `path`; FEATURE_UNIMPLEMENTED without the format's
        library."""
        library("pyarrow.parquet" if format is ExportFormat.PARQUET else "h5py")
        try:
            free = not any(path.iterdir())
        except FileNotFoundError:
            free = True
        except OSError:
            free = False
        if not free:
            raise invalid_field("path", "must name a directory that is empty or to be made")

    def write(self, path: Path, header: ExportHeader) -> WrittenFolder:
        """Begins an export; FIELD_INVALID, FEATURE_UNIMPLEMENTED without the format's library."""
        self.check(path, header.format)
        return WrittenFolder(path, header)

    def read(self, path: Path) -> ReadFolder:
        """Opens an export; SOURCE_NOT_FOUND, FEATURE_UNIMPLEMENTED."""
        return ReadFolder(path)


def _regular(path: Path, limit_bytes: int) -> bytes | None:
    with os.fdopen(os.open(path, _FLAGS), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size > limit_bytes:
            return None
        return file.read(status.st_size)


def _header_text(header: ExportHeader) -> str:
    table = {
        "soutu_export": _VERSION,
        "format": header.format.value,
        "collection": header.collection_id,
        "attributes": {name: kind.value for name, kind in header.attributes.items()},
        "model": {"name": header.model.name, "version": header.model.version},
        "dimension": header.dimension,
    }
    return json.dumps(table, indent=2) + "\n"


def _read_header(file: Path) -> ExportHeader:
    try:
        table = json.loads(file.read_text("utf-8"))
        if table["soutu_export"] != _VERSION:
            raise unreadable("was written by a newer Soutu")
        return ExportHeader(
            ExportFormat(table["format"]),
            str(table["collection"]),
            {str(name): AttributeType(kind) for name, kind in table["attributes"].items()},
            ModelRef(str(table["model"]["name"]), str(table["model"]["version"])),
            int(table["dimension"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise unreadable("has no export.json, or it cannot be read") from error

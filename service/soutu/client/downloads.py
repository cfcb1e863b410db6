"""Writes a streamed download where the caller wants it."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from soutu.client.errors import SoutuCallError
from soutu.v1.image_service_pb2 import DownloadImageResponse


def save(pieces: Iterator[DownloadImageResponse], to: Path | BinaryIO) -> DownloadImageResponse.Header:
    """Writes the bytes to a file or an open stream, and returns what the server said about them.

    A file appears under its name only when it is complete.
    """
    if not isinstance(to, Path):
        return _write(pieces, to)
    partial = to.with_name(f".{to.name}.partial")
    try:
        with partial.open("wb") as file:
            header = _write(pieces, file)
        partial.replace(to)
    finally:
        partial.unlink(missing_ok=True)
    return header


def _write(pieces: Iterator[DownloadImageResponse], file: BinaryIO) -> DownloadImageResponse.Header:
    header = next(pieces, DownloadImageResponse()).header
    written = sum(file.write(piece.chunk) for piece in pieces)
    if written != header.size_bytes:
        raise SoutuCallError("DATA_LOSS", f"{written} bytes came of {header.size_bytes}; download it again")
    return header

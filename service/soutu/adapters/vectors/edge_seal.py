"""The seal of a shard that was closed in order: the checksum of every file in it.

The engine opens many a damaged folder without complaint and then misses points, so a shard that was closed
in order is compared with its seal before it is opened. One that was not (a kill, a power cut) has no seal,
and is read through instead.
"""

import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

BLOCK_BYTES = 1 << 18
_ZEROS = bytes(BLOCK_BYTES)


def write_seal(path: Path, folder: Path, note: float = 0.0) -> None:
    """Records at `path` the files of `folder` with a `note`; about a second for each GB."""
    temporary = path.with_suffix(".part")
    with temporary.open("w") as file:
        json.dump({"files": _checksums(folder), "note": note}, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    sync_directory(path.parent)


def sealed_note(path: Path, folder: Path) -> float | None:
    """The note, if the files of `folder` are those that were sealed with it; else None."""
    try:
        seal = json.loads(path.read_text())
        return float(seal["note"]) if seal["files"] == _checksums(folder) else None
    except (ValueError, TypeError, KeyError):
        return None


def break_seal(path: Path) -> None:
    """Removes the seal, durably: the folder is about to change."""
    path.unlink()
    sync_directory(path.parent)


def sync_directory(folder: Path) -> None:
    """Makes the names in `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_directories(folder: Path) -> None:
    """The same for `folder` and all folders in it; one that the optimizer removes meanwhile needs none."""
    for name, _, _ in os.walk(folder):
        try:
            sync_directory(Path(name))
        except FileNotFoundError:
            continue


def _checksums(folder: Path) -> dict[str, int]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): _checksum(path) for path in files}


def _checksum(path: Path) -> int:
    """Of size and content; blocks of zeros count for nothing, whether the file system stores them or not."""
    checksum = path.stat().st_size
    with path.open("rb", buffering=0) as file:
        for offset in filled_blocks(file.fileno(), path.stat().st_size):
            block = os.pread(file.fileno(), BLOCK_BYTES, offset)
            if block != _ZEROS[: len(block)]:
                checksum = zlib.crc32(block, zlib.crc32(offset.to_bytes(8, "little"), checksum))
    return checksum


def filled_blocks(handle: int, size_bytes: int) -> Iterator[int]:
    """The offsets of all blocks, less those that lie in holes: the engine's files are sparse, 32 MB each."""
    offset = 0
    while offset < size_bytes:
        try:
            filled = os.lseek(handle, offset, os.SEEK_DATA) if hasattr(os, "SEEK_DATA") else offset
        except OSError:  # there is nothing but a hole from here on
            return
        offset = filled - filled % BLOCK_BYTES
        yield offset
        offset += BLOCK_BYTES

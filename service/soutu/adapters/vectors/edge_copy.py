"""Copying a shard's folder: its sparse files stay sparse, and there is room or there is no copy."""

import os
import shutil
from pathlib import Path

from soutu.adapters.vectors.edge_seal import BLOCK_BYTES, filled_blocks

_ROOM = 2  # the optimiser writes the copy's points once more before it removes what it read
_UNIT_BYTES = 512  # of st_blocks


def has_room(folder: Path) -> bool:
    """Whether the disk can take a copy of `folder` and what optimising it writes."""
    sizes = (path.lstat().st_blocks * _UNIT_BYTES for path in folder.rglob("*"))
    return shutil.disk_usage(folder).free > _ROOM * sum(sizes)


def copy_folder(source: Path, target: Path) -> None:
    """Copies all files below `source`, which must not change meanwhile, to `target`, which must not exist."""
    target.mkdir()
    for path in sorted(source.rglob("*")):
        copy = target / path.relative_to(source)
        if path.is_dir():
            copy.mkdir()
        else:
            _copy_file(path, copy)


def sync_files(folder: Path) -> None:
    """Makes the contents of all files below `folder` survive a power cut, but not their names."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _copy_file(source: Path, target: Path) -> None:
    with source.open("rb", buffering=0) as read, target.open("xb", buffering=0) as written:
        size_bytes = os.fstat(read.fileno()).st_size
        written.truncate(size_bytes)
        for offset in filled_blocks(read.fileno(), size_bytes):
            _copy_block(read.fileno(), written.fileno(), offset)


def _copy_block(source: int, target: int, offset: int) -> None:
    block = os.pread(source, BLOCK_BYTES, offset)
    while block:
        count = os.pwrite(target, block, offset)
        block, offset = block[count:], offset + count

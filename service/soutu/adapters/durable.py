"""Making what is written to files survive a power cut."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def sync(path: Path) -> None:
    """Returns once a file's bytes, or the names in a directory, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write, readable by its owner only, that takes the place of `path` when it is whole."""
    staged = path.with_name(f"{path.name}.new")
    staged.unlink(missing_ok=True)
    staged.touch(mode=0o600)
    with staged.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    staged.replace(path)
    sync(path.parent)


def write_file(path: Path, data: bytes) -> None:
    """Puts a whole file in the place of `path`, readable by its owner only."""
    with replacing(path) as file:
        file.write(data)

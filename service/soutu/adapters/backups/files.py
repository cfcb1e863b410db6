"""Files that survive a power cut once they have their name."""

import os
import shutil
from pathlib import Path


def write_file(path: Path, data: bytes) -> None:
    """Puts a whole file in the place of `path`, readable by its owner only."""
    staged = _staged(path)
    with staged.open("wb") as file:
        file.write(data)
        _sync(file.fileno())
    _move_in(staged, path)


def copy_file(source: Path, target: Path) -> int:
    """Copies a file to the place of `target`, if there is one; how many bytes."""
    if not source.is_file():
        return 0
    staged = _staged(target)
    with source.open("rb") as original, staged.open("wb") as file:
        shutil.copyfileobj(original, file, 1024 * 1024)
        _sync(file.fileno())
    _move_in(staged, target)
    return target.stat().st_size


def copy_tree(source: Path, target: Path) -> int:
    """Copies the files below `source` that `target` lacks or has in another size; how many bytes."""
    size_bytes = 0
    for file in sorted(source.rglob("*")) if source.is_dir() else ():
        twin = target / file.relative_to(source)
        if file.is_symlink() or not file.is_file() or _alike(file, twin):
            continue
        twin.parent.mkdir(parents=True, exist_ok=True)
        size_bytes += copy_file(file, twin)
    return size_bytes


def sync_directory(path: Path) -> None:
    """Makes the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _staged(path: Path) -> Path:
    staged = path.with_name(f"{path.name}.new")
    staged.unlink(missing_ok=True)
    staged.touch(mode=0o600)
    return staged


def _sync(descriptor: int) -> None:
    os.fsync(descriptor)


def _move_in(staged: Path, path: Path) -> None:
    staged.replace(path)
    sync_directory(path.parent)


def _alike(file: Path, twin: Path) -> bool:
    return twin.is_file() and twin.stat().st_size == file.stat().st_size

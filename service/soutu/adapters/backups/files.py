"""Copies that survive a power cut once they have their name."""

import shutil
from pathlib import Path

from soutu.adapters.durable import replacing


def copy_file(source: Path, target: Path) -> int:
    """Copies a file to the place of `target`, if there is one; how many bytes."""
    if not source.is_file():
        return 0
    with source.open("rb") as original, replacing(target) as file:
        shutil.copyfileobj(original, file, 1024 * 1024)
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


def _alike(file: Path, twin: Path) -> bool:
    return twin.is_file() and twin.stat().st_size == file.stat().st_size

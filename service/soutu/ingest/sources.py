"""Build sources: what a directory offers, in an order that a cursor can resume in."""

import fnmatch
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from soutu.domain.errors import Reason, SoutuError, invalid_field

_EXTENSIONS = frozenset(
    [".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp"]
    + [".heic", ".heif", ".avif"]
)


@dataclass(frozen=True, slots=True)
class DirectorySource:
    """A directory of image files. `include` and `exclude` are glob patterns over relative paths."""

    path: Path
    flat: bool = False
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def offers(self, relative: str) -> bool:
        """Whether the file at this relative path is part of the source."""
        if any(fnmatch.fnmatch(relative, pattern) for pattern in self.exclude):
            return False
        if self.include:
            return any(fnmatch.fnmatch(relative, pattern) for pattern in self.include)
        return os.path.splitext(relative)[1].lower() in _EXTENSIONS


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that a source offers: its path within the source, with "/" between the parts, and its state."""

    path: str
    size_bytes: int
    mtime_ns: int


def allowed_directory(text: str, roots: Sequence[Path]) -> Path:
    """The resolved directory, if it exists under one of `roots`: SOURCE_NOT_ALLOWED, SOURCE_NOT_FOUND."""
    if not os.path.isabs(text) or "\0" in text:
        raise invalid_field("source.directory.path", "must be an absolute path on the server")
    path = Path(os.path.realpath(text))
    if not any(path.is_relative_to(os.path.realpath(root)) for root in roots):
        raise SoutuError(
            Reason.SOURCE_NOT_ALLOWED,
            "The directory lies outside build_roots; start the server with SOUTU_BUILD_ROOTS naming it "
            "or a directory above it.",
        )
    if not path.is_dir():
        raise SoutuError(Reason.SOURCE_NOT_FOUND, "There is no such directory on the server.")
    return path


def list_files(source: DirectorySource) -> list[SourceFile]:
    """Every file that the source offers, ordered by path. Links that lead out of it are left out."""
    return sorted(_walk(source, source.path, ""), key=lambda file: file.path)


def _walk(source: DirectorySource, directory: Path, prefix: str) -> Iterator[SourceFile]:
    try:
        entries = list(os.scandir(directory))
    except OSError:
        return
    for entry in entries:
        relative = f"{prefix}{entry.name}"
        if entry.name.startswith(".") or not _is_text(relative):
            continue
        if entry.is_dir(follow_symlinks=False) and not source.flat:
            yield from _walk(source, Path(entry.path), f"{relative}/")
        elif entry.is_file(follow_symlinks=False) and source.offers(relative):
            status = entry.stat(follow_symlinks=False)
            yield SourceFile(relative, status.st_size, status.st_mtime_ns)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True

"""Directories as sources."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from soutu.domain.errors import Reason, SoutuError
from soutu.ingest.sources import (
    Item,
    Listing,
    Picture,
    Sidecar,
    is_text,
    not_unicode,
    refused,
    sidecar_names,
)
from soutu.ingest.specs import DirectorySpec
from soutu.ingest.steady import read_steady


class DirectorySource:
    """The files below a directory, by path. Hidden files and links are left out, also links to files."""

    def __init__(self, spec: DirectorySpec) -> None:
        self._spec = spec
        self.name = str(spec.path)
        self.stamp = ""  # places are paths: they outlive every change

    def listing(self) -> Listing:
        """Names, sizes and times; no file is opened. A part that cannot be looked at is an item with a
        failure. SOURCE_NOT_FOUND where the directory itself is not there."""
        unread: list[str] = []
        items = sorted(self._walk(unread), key=lambda item: item.place)
        return Listing(items, tuple(unread))

    def read(self, item: Item, limit_bytes: int) -> Picture:
        """All of one state of the file."""
        return read_steady(f"{self.name}/{item.path}", limit_bytes)

    def read_sidecar(self, sidecar: Sidecar, limit_bytes: int) -> bytes:
        """All of one state of the sidecar."""
        return read_steady(f"{self.name}/{sidecar.path}", limit_bytes).content

    def close(self) -> None:
        """Nothing is open."""

    def _walk(self, unread: list[str]) -> Iterator[Item]:
        waiting = [(self.name, "")]  # no recursion: directories may be deeper than Python's stack
        while waiting:
            directory, prefix = waiting.pop()
            try:
                with os.scandir(directory) as entries:
                    found = [entry for entry in entries if not entry.name.startswith(".")]
            except OSError as error:
                yield from self._unlisted(prefix, unread, error)
                continue
            beside = _sidecars(found, prefix)
            for entry in found:
                path = f"{prefix}{entry.name}"
                if self._leads_on(entry, path):
                    waiting.append((entry.path, f"{path}/"))
                else:
                    yield from self._entry(entry, path, unread, beside)

    def _leads_on(self, entry: os.DirEntry[str], path: str) -> bool:
        return not self._spec.flat and is_text(path) and entry.is_dir(follow_symlinks=False)

    def _entry(
        self, entry: os.DirEntry[str], path: str, unread: list[str], beside: Mapping[str, Sidecar]
    ) -> Iterator[Item]:
        if entry.is_dir(follow_symlinks=False):
            if not self._spec.flat:
                yield not_unicode(0, f"{path}/")
        elif self._spec.offers(path) and entry.is_file(follow_symlinks=False):
            yield from _file(entry, path, unread, beside)

    def _unlisted(self, prefix: str, unread: list[str], error: OSError) -> Iterator[Item]:
        if not prefix:
            raise SoutuError(Reason.SOURCE_NOT_FOUND, "The directory cannot be read.") from error
        if not isinstance(error, FileNotFoundError):
            unread.append(prefix)
            message = "The directory cannot be read; what lies there is left as it is."
            yield refused((0, prefix), SoutuError(Reason.SOURCE_NOT_FOUND, message))


def _sidecars(entries: Sequence[os.DirEntry[str]], prefix: str) -> Mapping[str, Sidecar]:
    """The XMP files among the entries of a directory, by path in lower case behind the directory's."""
    found = {}
    for entry in entries:
        if (
            entry.name.lower().endswith(".xmp")
            and is_text(entry.name)
            and entry.is_file(follow_symlinks=False)
        ):
            with suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                sidecar = Sidecar(f"{prefix}{entry.name}", status.st_size, status.st_mtime_ns)
                found[f"{prefix}{entry.name.lower()}"] = sidecar
    return found


def _file(
    entry: os.DirEntry[str], path: str, unread: list[str], beside: Mapping[str, Sidecar]
) -> Iterator[Item]:
    if not is_text(path):
        yield not_unicode(0, path)
        return
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return
    except OSError:
        unread.append(path)
        yield refused((0, path), SoutuError(Reason.ORIGINAL_GONE, "The file cannot be looked at."))
        return
    first, second = sidecar_names(path)
    sidecar = beside.get(first) or beside.get(second)
    yield Item((0, path), status.st_size, status.st_mtime_ns, sidecar=sidecar)

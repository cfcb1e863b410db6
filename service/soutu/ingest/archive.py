"""Tar archives as sources."""

import math
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, cast

from soutu.domain.errors import Reason, SoutuError
from soutu.ingest.sources import (
    Item,
    Listing,
    Picture,
    Place,
    Sidecar,
    is_text,
    not_unicode,
    refused,
    shown,
    sidecar_names,
)
from soutu.ingest.specs import TarSpec, is_picture
from soutu.ingest.unpacking import DAMAGE, Unpacked, UnpackLimits

_MTIME_LIMIT_S = 2**33
_SIDECAR = ".xmp"


class TarSource:
    """The pictures among an archive's members, in its order. Of members with the same path the last counts,
    as when the archive is unpacked over itself.

    The archive is read once for the listing and once more for the bytes; nothing is unpacked to disk.
    """

    def __init__(self, spec: TarSpec, limits: UnpackLimits) -> None:
        self._path = spec.path
        self._limits = limits
        self._offsets: dict[Place, int] = {}
        self._beside: dict[str, Item] = {}  # the sidecars, by path with the name in lower case
        self._stream: Unpacked | None = None
        self._turn = threading.Lock()
        self._listed_stamp = ""
        self.name = str(spec.path)

    @property
    def stamp(self) -> str:
        """The archive's size and time: SOURCE_NOT_FOUND."""
        try:
            status = self._path.stat()
        except OSError as error:
            raise SoutuError(Reason.SOURCE_NOT_FOUND, "The archive cannot be read.") from error
        return f"{status.st_size}-{status.st_mtime_ns}"

    def listing(self) -> Listing:
        """Members that are links, devices or sparse, or whose path leads out, are items with a failure;
        directories, hidden files and files that are no pictures by their name are left out."""
        before, latest, others = self.stamp, dict[str, Item](), list[Item]()
        for item in self._items():
            if item.failure:
                others.append(item)
            else:
                latest[item.path] = item
        self._listed_stamp = before
        items = [replace(item, sidecar=self._sidecar(item.path)) for item in latest.values()]
        return Listing(sorted([*items, *others], key=lambda item: item.place))

    def read(self, item: Item, limit_bytes: int) -> Picture:
        """The bytes of a member."""
        if item.size_bytes > limit_bytes:
            raise SoutuError(Reason.IMAGE_TOO_LARGE, f"The file has more than {limit_bytes} bytes.")
        if self.stamp != self._listed_stamp:
            raise SoutuError(Reason.ORIGINAL_CHANGED, "The archive was changed while it was read.")
        try:
            with self._turn:
                content = self._open().take(self._offsets[item.place], item.size_bytes)
        except DAMAGE as error:
            raise SoutuError(Reason.IMAGE_UNREADABLE, "The archive is damaged here.") from error
        if len(content) < item.size_bytes:
            raise SoutuError(Reason.IMAGE_UNREADABLE, "The archive is cut short here.")
        return Picture(content, self.name, item.mtime_ns)

    def read_sidecar(self, sidecar: Sidecar, limit_bytes: int) -> bytes:
        """The bytes of a member that is a sidecar."""
        member = replace(self._beside[sidecar.path], size_bytes=sidecar.size_bytes)
        return self.read(member, limit_bytes).content

    def _sidecar(self, path: str) -> Sidecar | None:
        first, second = sidecar_names(path)
        member = self._beside.get(first) or self._beside.get(second)
        return Sidecar(_name_lowered(member.path), member.size_bytes, member.mtime_ns) if member else None

    def close(self) -> None:
        """Closes the archive."""
        with self._turn:
            if self._stream:
                self._stream.close()
            self._stream = None

    def _open(self) -> Unpacked:
        if self._stream is None:
            self._stream = Unpacked(self._path, self._limits)
        return self._stream

    def _items(self) -> Iterator[Item]:
        number = 0
        try:
            for number, member in enumerate(_members(self._path, self._limits), 1):
                item = _item(number, member)
                if item:
                    self._offsets[item.place] = member.offset_data
                if item and not item.failure and item.path.lower().endswith(_SIDECAR):
                    self._beside[_name_lowered(item.path)] = item
                elif item:
                    yield item
        except (tarfile.TarError, *DAMAGE) as error:
            message = "The file is not a tar archive, or is damaged from its beginning on."
            if number == 0:
                raise SoutuError(Reason.SOURCE_NOT_FOUND, message) from error
            message = "The archive is damaged from here on."
            yield refused((number + 1, "(the rest)"), SoutuError(Reason.IMAGE_UNREADABLE, message))


def _members(path: Path, limits: UnpackLimits) -> Iterator[tarfile.TarInfo]:
    stream = Unpacked(path, limits)
    try:
        with tarfile.open(fileobj=cast(IO[bytes], stream), mode="r:") as archive:
            reached = count = 0
            while member := archive.next():
                archive.members.clear()  # type: ignore[attr-defined]  # it would keep them all
                count += 1
                if member.size < 0 or archive.offset <= reached:
                    raise tarfile.HeaderError("a member ends before it begins")
                if count > limits.members:
                    message = f"The archive has over {limits.members} members."
                    raise SoutuError(Reason.SOURCE_TOO_LARGE, message)
                reached = archive.offset
                yield member
    finally:
        stream.close()


def _item(number: int, member: tarfile.TarInfo) -> Item | None:
    """The item for a member; None for what is left out."""
    parts = [part for part in member.name.split("/") if part not in ("", ".")]
    path = "/".join(parts)
    if member.isdir() or not parts:
        return None
    if not is_text(path):
        return not_unicode(number, path)
    if ".." in parts or member.name.startswith("/"):
        return _refused(number, member, "The path leads out of the archive.")
    if not member.isreg() or member.issparse():
        return _refused(number, member, "Links, devices and sparse files are not read from archives.")
    wanted = is_picture(path) or path.lower().endswith(_SIDECAR)
    if any(part.startswith(".") for part in parts) or not wanted:
        return None
    return Item((number, path), member.size, _mtime_ns(member))


def _name_lowered(path: str) -> str:
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{name.lower()}"


def _refused(number: int, member: tarfile.TarInfo, message: str) -> Item:
    return refused((number, shown(member.name)), SoutuError(Reason.SOURCE_NOT_ALLOWED, message))


def _mtime_ns(member: tarfile.TarInfo) -> int:
    """The member's time; 0 where it is none that a file could have."""
    sound = math.isfinite(member.mtime) and abs(member.mtime) < _MTIME_LIMIT_S
    return round(member.mtime * 1_000_000_000) if sound else 0

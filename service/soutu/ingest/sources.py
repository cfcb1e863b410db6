"""Sources: what a directory, an archive or a manifest offers, and the bytes of each item."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from soutu.domain.errors import Reason, SoutuError
from soutu.domain.image import AttributeValue, Metadata
from soutu.domain.writing import Failure

ITEM_LIMIT = 10_000_000
Place = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Said:
    """What a source says of an image besides its bytes: `fields` of Metadata by name, and attributes."""

    image_id: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)

    def over(self, metadata: Metadata) -> Metadata:
        """`metadata` with what is said here; the rest stays."""
        attributes = {**metadata.attributes, **self.attributes}
        return replace(metadata, **self.fields, attributes=attributes)


NOTHING_SAID = Said()


@dataclass(frozen=True, slots=True)
class Sidecar:
    """The XMP file beside a picture: its path within the source, size and time."""

    path: str
    size_bytes: int
    mtime_ns: int

    @property
    def stamp(self) -> str:
        """Changes when the file does."""
        return f"{self.size_bytes}-{self.mtime_ns}"


def sidecar_names(path: str) -> tuple[str, str]:
    """What a sidecar of the picture at `path` may be called: photo.jpg.xmp, else photo.xmp; in lower case."""
    folder, slash, name = path.rpartition("/")
    stem = name.rpartition(".")[0] or name
    return f"{folder}{slash}{name.lower()}.xmp", f"{folder}{slash}{stem.lower()}.xmp"


@dataclass(frozen=True, slots=True)
class Item:
    """One image file that a source offers.

    `place` is (number, path): where it stands in the source's order, and its path within the source, with "/"
    between the parts. With `failure` it is one that the source itself cannot offer, and why.
    """

    place: Place
    size_bytes: int = 0
    mtime_ns: int = 0
    said: Said = NOTHING_SAID
    failure: Failure | None = None
    sidecar: Sidecar | None = None

    @property
    def sidecar_stamp(self) -> str:
        """The state of its sidecar; empty where it has none."""
        return self.sidecar.stamp if self.sidecar else ""

    @property
    def path(self) -> str:
        """The path within the source."""
        return self.place[1]


@dataclass(frozen=True, slots=True)
class Picture:
    """The bytes of an item, the file that they were read from, and its time when they were."""

    content: bytes
    path: str
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Listing:
    """All that a source offers, by place. `unread` are the beginnings of paths that could not be looked at:
    what lies there is neither offered nor gone."""

    items: Sequence[Item]
    unread: tuple[str, ...] = ()


class Source(Protocol):
    """Where a build or sync reads. Every method blocks, and may be called from any thread, one at a time."""

    @property
    def name(self) -> str:
        """What the origins of its images name it by: its absolute path."""
        ...

    @property
    def stamp(self) -> str:
        """Changes when the places of its items may have: a cursor is good for one stamp only."""
        ...

    def listing(self) -> Listing:
        """SOURCE_NOT_FOUND; SOURCE_TOO_LARGE; FIELD_INVALID where it does not fit what was asked."""
        ...

    def read(self, item: Item, limit_bytes: int) -> Picture:
        """The bytes of an item of the latest listing, cheapest in the order of the listing. ORIGINAL_GONE;
        ORIGINAL_CHANGED where they change while they are read; IMAGE_TOO_LARGE above the limit."""
        ...

    def read_sidecar(self, sidecar: Sidecar, limit_bytes: int) -> bytes:
        """The bytes of an item's sidecar; errors as of `read`."""
        ...

    def close(self) -> None:
        """Lets go of open files."""
        ...


def refused(place: Place, error: SoutuError) -> Item:
    """An item that cannot be offered."""
    return Item(place, failure=Failure(place[1], error.reason.name, error.message))


def is_text(name: str) -> bool:
    """Whether a name fits into a text column; file systems allow bytes that are no Unicode."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in name


def shown(name: str) -> str:
    """`name` as text, with a mark in place of what is no Unicode."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\0", "\ufffd")


def not_unicode(number: int, path: str) -> Item:
    """The item for a path that is not text."""
    error = SoutuError(Reason.FIELD_INVALID, "The name is not Unicode; rename the file.", field="path")
    return refused((number, shown(path)), error)

"""Images: records of a collection, and the contents and originals behind them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from soutu.domain.errors import Reason, SoutuError, invalid_field
from soutu.domain.labels import PredictedLabel

AttributeValue = str | int | float | bool | datetime | tuple[str, ...]

_IMAGE_ID = re.compile(r"[a-z0-9._-]{1,128}")


def checked_image_id(text: str, name: str = "image_id") -> str:
    """`text` if it is an image id ([a-z0-9._-]{1,128}), else FIELD_INVALID naming the field `name`."""
    if not _IMAGE_ID.fullmatch(text) or text in (".", ".."):
        raise invalid_field(name, "must be 1 to 128 characters of a-z, 0-9, '.', '_' and '-'")
    return text


@dataclass(frozen=True, slots=True)
class Region:
    """A box in relative coordinates of the upright image: 0 <= left < right <= 1, likewise top and bottom."""

    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        if not (0 <= self.left < self.right <= 1 and 0 <= self.top < self.bottom <= 1):
            raise SoutuError(
                Reason.REGION_INVALID, "A region needs 0 <= left < right <= 1 and 0 <= top < bottom <= 1."
            )


@dataclass(frozen=True, slots=True)
class Exif:
    """What the camera wrote into the file, as far as it is readable. `captured_at` is UTC when a zone is
    given in the file, else taken as if it were UTC."""

    camera: str = ""
    lens: str = ""
    captured_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Annotations:
    """What a photographer's program noted of a picture; None for what it does not say."""

    rating: int | None = None
    keywords: tuple[str, ...] | None = None

    def over(self, metadata: "Metadata") -> "Metadata":
        """`metadata` with what is said here."""
        rating = metadata.rating if self.rating is None else self.rating
        return replace(
            metadata, rating=rating, tags=metadata.tags if self.keywords is None else self.keywords
        )

    def under(self, metadata: "Metadata") -> "Metadata":
        """`metadata` with what is said here where it says nothing itself."""
        return replace(
            metadata, rating=metadata.rating or self.rating or 0, tags=metadata.tags or self.keywords or ()
        )


NO_ANNOTATIONS = Annotations()


@dataclass(frozen=True, slots=True)
class Content:
    """Image bytes, known by their hash and shared by every image that has the same bytes.

    `width` and `height` are of the upright image, in pixels; `media_type` is such as "image/jpeg".
    """

    sha256: str
    size_bytes: int
    width: int
    height: int
    media_type: str
    exif: Exif = Exif()


class Keeping(StrEnum):
    """Who keeps an image's original bytes."""

    STORED = "stored"  # in our object store, under the content's hash
    REFERENCED = "referenced"  # in the user's own file, which we never alter or delete


@dataclass(frozen=True, slots=True)
class Original:
    """Where an image's bytes are. `path` and `mtime_ns` are of the file they came from, where they came from
    one; only for a referenced original is that file read again. `sidecar` is the state of the XMP file beside
    it that was taken over last: size, time and hash, or empty."""

    keeping: Keeping
    path: str = ""
    mtime_ns: int = 0
    sidecar: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """The build source that an image came from: (source, relative path) is unique in a collection."""

    source: str
    path: str


class KnownFile(NamedTuple):
    """What is known of the file behind an image: as much as tells whether it has changed. `path` is within
    the image's source; size, time and hash are those of the bytes that were read."""

    uid: int
    image_id: str
    revision: int
    path: str
    size_bytes: int
    mtime_ns: int
    sha256: str
    keeping: Keeping
    sidecar: str = ""

    @property
    def etag(self) -> str:
        """The image's etag."""
        return f"{self.uid}-{self.revision}"


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a user says of an image."""

    title: str = ""
    tags: tuple[str, ...] = ()
    source_uri: str = ""
    category: str = ""
    rating: int = 0
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Image:
    """One record. `id` is its name to clients; `uid` is ours and never used again.

    `revision` is the collection's revision at which the record last changed; its etag.
    """

    uid: int
    collection_uid: int
    id: str
    revision: int
    content: Content
    original: Original
    metadata: Metadata
    create_time: datetime
    update_time: datetime
    origin: Origin | None = None
    labels: tuple[PredictedLabel, ...] = ()

    @property
    def etag(self) -> str:
        """Changes with every change of the record."""
        return f"{self.uid}-{self.revision}"

"""How much one picture may ask of us, and the errors that say it asked for more."""

from dataclasses import dataclass

from soutu.domain.errors import Reason, SoutuError
from soutu.imaging.raw_formats import may_be_raw, sniff_raw

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """Limits on one image, each a setting.

    `pixels` and `side` are those the file declares, checked before anything is decoded. `metadata_bytes`
    counts all that is not picture data (EXIF, XMP, ICC, comments), unpacked. `memory_bytes` is what one
    decode may use beyond the idle decoder. Cameras' raw files have limits of their own on bytes and time.
    """

    size_bytes: int = 20 * MIB
    pixels: int = 50_000_000
    side: int = 16_384
    jpeg_scans: int = 100
    metadata_bytes: int = MIB
    seconds: float = 5.0
    memory_bytes: int = 1024 * MIB
    raw_size_bytes: int = 120 * MIB
    raw_seconds: float = 30.0

    @property
    def largest_bytes(self) -> int:
        """The most bytes that an image of any format may have."""
        return max(self.size_bytes, self.raw_size_bytes)

    def check_bytes(self, data: bytes) -> None:
        """IMAGE_EMPTY for no bytes, IMAGE_TOO_LARGE for too many."""
        if not data:
            raise SoutuError(Reason.IMAGE_EMPTY)
        if len(data) > self.size_bytes:
            allowed = self.raw_size_bytes if sniff_raw(data) else self.size_bytes
            if len(data) > allowed:
                raise too_large("size_bytes", f"The image has {len(data):,} bytes", allowed)

    def bytes_allowed(self, beginning: bytes) -> int:
        """The most bytes that an image may come to have that begins like this."""
        return self.raw_size_bytes if may_be_raw(beginning) else self.size_bytes

    def seconds_allowed(self, data: bytes) -> float:
        """The longest that decoding these bytes may take."""
        return self.raw_seconds if may_be_raw(data) and sniff_raw(data) else self.seconds

    def allows(self, width: int, height: int) -> bool:
        """Whether an image may be as large as this."""
        return 0 < width <= self.side and 0 < height <= self.side and width * height <= self.pixels

    def check_canvas(self, width: int, height: int) -> None:
        """IMAGE_TOO_LARGE for too long a side or too many pixels, IMAGE_UNREADABLE for none."""
        if width < 1 or height < 1:
            raise unreadable()
        if max(width, height) > self.side:
            raise too_large("side", f"The image is {width:,} x {height:,} pixels", self.side)
        if width * height > self.pixels:
            raise too_large("pixels", f"The image has {width * height:,} pixels", self.pixels)

    def check_scans(self, scans: int) -> None:
        """IMAGE_TOO_LARGE for a JPEG of too many scans."""
        if scans > self.jpeg_scans:
            raise too_large("jpeg_scans", "The JPEG has too many scans", self.jpeg_scans)

    def check_metadata(self, size_bytes: int) -> None:
        """IMAGE_TOO_LARGE for too many bytes that are not picture data."""
        if size_bytes > self.metadata_bytes:
            raise too_large("metadata_bytes", "The image has too much metadata", self.metadata_bytes)


def too_large(limit: str, found: str, allowed: int) -> SoutuError:
    """IMAGE_TOO_LARGE whose sentence and metadata name the limit."""
    return SoutuError(Reason.IMAGE_TOO_LARGE, f"{found}; the limit {limit} is {allowed:,}.", limit=limit)


def unreadable() -> SoutuError:
    """IMAGE_UNREADABLE."""
    return SoutuError(Reason.IMAGE_UNREADABLE, "The image is damaged or cut short; send an intact file.")


def unsupported() -> SoutuError:
    """IMAGE_FORMAT_UNSUPPORTED, naming the formats that are read."""
    return SoutuError(
        Reason.IMAGE_FORMAT_UNSUPPORTED,
        "The bytes are none of JPEG, PNG, WebP, GIF, TIFF, BMP, HEIC, AVIF and the raw files of cameras that "
        "are read; convert the image.",
    )


def unread_variant(media_type: str) -> SoutuError:
    """IMAGE_FORMAT_UNSUPPORTED for a form of an allowed format that no codec here reads."""
    return SoutuError(
        Reason.IMAGE_FORMAT_UNSUPPORTED,
        f"The image is {media_type} in a rare form that is not read; convert it to PNG or JPEG.",
    )

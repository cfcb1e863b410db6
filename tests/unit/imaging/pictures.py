"""Pictures that the tests draw themselves."""

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from soutu.domain.model import Fit, InputSpec
from soutu.imaging.decode import decode
from soutu.imaging.job import Decoded, DecodeJob, Pixels
from soutu.imaging.limits import DecodeLimits

LIMITS = DecodeLimits()
HEIC = Path(__file__).parent / "heic"
_T = Image.Transpose
# What the camera held the other way round: undone by the orientation of the same number.
_HELD = {
    2: _T.FLIP_LEFT_RIGHT,
    3: _T.ROTATE_180,
    4: _T.FLIP_TOP_BOTTOM,
    5: _T.TRANSPOSE,
    6: _T.ROTATE_90,
    7: _T.TRANSVERSE,
    8: _T.ROTATE_270,
}


def scene(width: int = 96, height: int = 64) -> Image.Image:
    """A smooth picture that no turn or mirror leaves as it is."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    channels = (40 + 180 * x, 30 + 190 * y * y, 200 - 150 * x * y)
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def held(picture: Image.Image, orientation: int) -> Image.Image:
    """The picture as a camera held that way stores it."""
    method = _HELD.get(orientation)
    return picture.transpose(method) if method is not None else picture


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """The picture in the format that Pillow calls `kind`."""
    stream = BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def oriented(kind: str, orientation: int, picture: Image.Image, **options: Any) -> bytes:
    """The picture stored turned away, with the EXIF orientation that turns it back."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return encoded(held(picture, orientation), kind, exif=exif.tobytes(), **options)


def whole(data: bytes, limits: DecodeLimits = LIMITS) -> Pixels:
    """The whole upright picture at full size, as the decoder sees it."""
    size = decode(data, DecodeJob(), limits)
    pixels = decode(data, DecodeJob(InputSpec(size.width, size.height, Fit.STRETCH)), limits).pixels
    assert pixels is not None
    return pixels


def looked_at(data: bytes, limits: DecodeLimits = LIMITS) -> Decoded:
    """What the decoder says of the bytes, no pixels asked for."""
    return decode(data, DecodeJob(), limits)


def difference(one: Pixels | Image.Image, other: Pixels | Image.Image) -> float:
    """Mean absolute difference of two pictures, in units of 1/255."""
    return float(np.abs(np.asarray(one, np.float32) - np.asarray(other, np.float32)).mean())


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """One chunk of a PNG file, with its checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *extra: bytes, rows: bytes | None = None) -> bytes:
    """An 8-bit grey PNG, black; `extra` chunks come before the picture."""
    packed = zlib.compress(bytes((width + 1) * height) if rows is None else rows, 1)
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    chunks = (head, *extra, png_chunk(b"IDAT", packed), png_chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def slow_png() -> bytes:
    """40 million pixels in 175 kB: some 200 ms and 80 MB to decode."""
    return png(8000, 5000)

"""JPEG: limits read off its markers, then decoded by libjpeg-turbo at the scale that is needed.

Markers are those of ITU-T T.81, Annex B.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import simplejpeg
from PIL import Image

from soutu.imaging.exif import load_tags, orientation_of
from soutu.imaging.formats import ImageFormat, open_image
from soutu.imaging.limits import DecodeLimits, unreadable
from soutu.imaging.stored import Stored

# The next marker: not a stuffed zero, not a restart, not fill.
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_SOI_EOI_TEM = (0xD8, 0xD9, 0x01)
_SOS = 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PICTURE_FRAMES = (0xC0, 0xC1, 0xC2)
_MOST_SEGMENTS = 256
_APP1, _APP2 = 0xE1, 0xE2
_CUT_SHORT = "premature end of"
_EXIF, _XMP, _ICC = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0"


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """What the markers say: the stored size in pixels, and the metadata as it lies in the file."""

    width: int
    height: int
    components: int
    exif: bytes
    icc: bytes
    xmp: bytes = b""


def read_jpeg_header(data: bytes, limits: DecodeLimits) -> JpegHeader:
    """Walk the markers to the end of the image; IMAGE_TOO_LARGE as soon as a limit is passed.

    Every byte outside the scans and the frame header counts as metadata. IMAGE_UNREADABLE without a frame.
    """
    frame, notes = b"", dict[bytes, list[bytes]]()
    scans = metadata_bytes = 0
    for marker, body in _segments(data):
        if marker == _SOS:
            scans += 1
            limits.check_scans(scans)
        elif marker in _FRAMES:
            frame = frame or body
        else:
            metadata_bytes += len(body) + 4
            limits.check_metadata(metadata_bytes)
            _keep_note(marker, body, notes)
    if len(frame) < 6:
        raise unreadable()
    height, width = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
    limits.check_canvas(width, height)
    first = {kind: bodies[0] for kind, bodies in notes.items()}
    return JpegHeader(
        width,
        height,
        frame[5],
        first.get(_EXIF, b""),
        _joined_icc(notes.get(_ICC, [])),
        first.get(_XMP, b""),
    )


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(marker, body) of every segment before the end of the image; entropy-coded data is skipped."""
    at = 2
    while found := _MARKER.search(data, at):
        marker, at = data[found.start() + 1], found.end()
        if marker == 0xD9:
            return
        if marker in _SOI_EOI_TEM:
            continue
        length = int.from_bytes(data[at : at + 2], "big")
        yield marker, data[at + 2 : at + length]
        at += max(length, 2)


def start_of_frame(data: bytes, start: int) -> tuple[int, int] | None:
    """(width, height) of the JPEG that begins at `start`; None where there is none that is a picture, such as
    the lossless ones that cameras keep sensor data in."""
    at = start + 2
    for _ in range(_MOST_SEGMENTS):
        marker, length = data[at + 1 : at + 2], int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at : at + 1] != b"\xff" or length < 2 or marker[0] == _SOS:
            return None
        if marker[0] in _PICTURE_FRAMES:
            height, width = data[at + 5 : at + 7], data[at + 7 : at + 9]
            return int.from_bytes(width, "big"), int.from_bytes(height, "big")
        if marker[0] in _FRAMES:
            return None
        at += 2 + length
    return None


def _keep_note(marker: int, body: bytes, notes: dict[bytes, list[bytes]]) -> None:
    for kind, home in ((_EXIF, _APP1), (_XMP, _APP1), (_ICC, _APP2)):
        if marker == home and body.startswith(kind):
            notes.setdefault(kind, []).append(body[len(kind) :])


def _joined_icc(chunks: list[bytes]) -> bytes:
    """The profile put together in the order of its chunks' numbers (ICC.1:2022, Annex B.4)."""
    return b"".join(chunk[2:] for chunk in sorted(chunks, key=lambda chunk: chunk[:1]))


def decode_jpeg(data: bytes, header: JpegHeader, eighths: int) -> Stored:
    """The picture at `eighths` / 8 of its size, rounded up; IMAGE_UNREADABLE where it cannot be read.

    One and three components go through libjpeg-turbo directly; CMYK, and what that refuses as irregular,
    through Pillow, which reads files with harmless faults but none that are cut short.
    """
    tags = load_tags(header.exif)
    image = _turbo(data, header, eighths) if header.components in (1, 3) else None
    scale = eighths / 8 if image is not None else 1.0
    if image is None:
        image = open_image(data, ImageFormat.JPEG)
        image.load()
    size = (header.width, header.height)
    return Stored(image, size, scale, orientation_of(tags), header.icc, tags, header.xmp)


def _turbo(data: bytes, header: JpegHeader, eighths: int) -> Image.Image | None:
    """Mode "L" or "RGB"; None where libjpeg-turbo has any complaint but that the picture is cut short: then
    IMAGE_UNREADABLE, as everybody else would fill up with grey."""
    try:
        pixels = simplejpeg.decode_jpeg(
            data,
            colorspace="GRAY" if header.components == 1 else "RGB",
            min_height=-(-header.height * eighths // 8) if eighths < 8 else 0,
            min_width=-(-header.width * eighths // 8) if eighths < 8 else 0,
        )
    except ValueError as error:
        if _CUT_SHORT in str(error):
            raise unreadable() from error
        return None
    return Image.fromarray(pixels[:, :, 0] if header.components == 1 else pixels)

"""Cameras' raw files, drawn by the tests: DNGs with sensor data, and shells of the other kinds."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

from tests.unit.imaging.pictures import encoded

BYTE, ASCII, SHORT, LONG, RATIONAL, SRATIONAL = 1, 2, 3, 4, 5, 10
_FORMS = {BYTE: "B", SHORT: "H", LONG: "I", RATIONAL: "2I", SRATIONAL: "2i"}


@dataclass(frozen=True, slots=True)
class Tag:
    """One entry of a directory. `values` are numbers, pairs for the rationals, or text as bytes."""

    number: int
    kind: int
    values: Sequence[int] | Sequence[tuple[int, int]] | bytes

    def packed(self, order: str) -> bytes:
        if isinstance(self.values, bytes):
            return self.values
        flat = [part for each in self.values for part in (each if isinstance(each, tuple) else (each,))]
        return b"".join(struct.pack(order + (_FORMS[self.kind][-1]), part) for part in flat)


@dataclass(frozen=True, slots=True)
class Page:
    """A directory with the picture data that its strip offset is to point at, under the tag `pointer`."""

    tags: Sequence[Tag]
    strip: bytes = b""
    pointer: int = 273


def tiff(pages: Sequence[Page], order: str = "<", magic: bytes = b"") -> bytes:
    """A TIFF whose first page has all others as directories below it."""
    body, start = bytearray(), 16
    offsets = list[int]()
    for page in reversed(pages):
        tags = list(page.tags)
        if page.strip:
            tags.append(Tag(page.pointer, LONG, [start + len(body)]))
            body += page.strip + b"\0" * (len(page.strip) % 2)
        if page is pages[0] and offsets:
            tags.append(Tag(330, LONG, list(reversed(offsets))))
        directory, values = _directory(tags, start + len(body), order)
        offsets.append(start + len(body))
        body += directory + values
    head = magic or (b"II*\0" if order == "<" else b"MM\0*")
    return head + struct.pack(order + "I", offsets[-1]) + bytes(8) + bytes(body)


def _directory(tags: Sequence[Tag], place: int, order: str) -> tuple[bytes, bytes]:
    entries, values = bytearray(struct.pack(order + "H", len(tags))), bytearray()
    beyond = place + 2 + 12 * len(tags) + 4
    for tag in sorted(tags, key=lambda each: each.number):
        packed = tag.packed(order)
        count = len(tag.values)
        entries += struct.pack(order + "HHI", tag.number, tag.kind, count)
        if len(packed) <= 4:
            entries += packed.ljust(4, b"\0")
        else:
            entries += struct.pack(order + "I", beyond + len(values))
            values += packed + b"\0" * (len(packed) % 2)
    return bytes(entries) + bytes(4), bytes(values)


def mosaic(picture: Image.Image) -> np.ndarray[tuple[int, int], np.dtype[np.uint16]]:
    """What a sensor under a red-green-green-blue filter sees of the picture: linear, 14 bits."""
    light = (np.asarray(picture, np.float64) / 255) ** 2.2 * 16_383
    seen = light[:, :, 1].copy()
    seen[0::2, 0::2] = light[0::2, 0::2, 0]
    seen[1::2, 1::2] = light[1::2, 1::2, 2]
    return seen.astype(np.uint16)


def dng(
    picture: Image.Image, preview: bytes = b"", orientation: int = 1, order: str = "<", cfa_first: bool = True
) -> bytes:
    """A DNG of the picture's mosaic, uncompressed, with `preview` as an embedded JPEG.

    Begins with the sensor's data, or with the preview in a directory of its own that says it is one.
    """
    about = [
        Tag(271, ASCII, b"Soutu\0"),
        Tag(272, ASCII, b"Drawn\0"),
        Tag(274, SHORT, [orientation]),
        Tag(306, ASCII, b"2024:05:06 07:08:09\0"),
        Tag(50706, BYTE, [1, 4, 0, 0]),
        Tag(50708, ASCII, b"Soutu Drawn\0"),
        Tag(50721, SRATIONAL, [(round(each * 10_000), 10_000) for each in _XYZ_TO_SRGB]),
        Tag(50728, RATIONAL, [(1, 1)] * 3),
        Tag(50778, SHORT, [21]),
    ]
    pages = [_sensor(picture, order)]
    if preview:
        pages.insert(0 if not cfa_first else 1, _preview(preview))
    first = pages[0]
    pages[0] = Page([*first.tags, *about], first.strip, first.pointer)
    return tiff(pages, order)


_XYZ_TO_SRGB = (3.2406, -1.5372, -0.4986, -0.9689, 1.8758, 0.0415, 0.0557, -0.204, 1.057)


def _sensor(picture: Image.Image, order: str) -> Page:
    width, height = picture.size
    strip = mosaic(picture).astype(f"{order}u2").tobytes()
    tags = [
        Tag(254, LONG, [0]),
        Tag(256, LONG, [width]),
        Tag(257, LONG, [height]),
        Tag(258, SHORT, [16]),
        Tag(259, SHORT, [1]),
        Tag(262, SHORT, [32803]),
        Tag(277, SHORT, [1]),
        Tag(278, LONG, [height]),
        Tag(279, LONG, [len(strip)]),
        Tag(33421, SHORT, [2, 2]),
        Tag(33422, BYTE, [0, 1, 1, 2]),
        Tag(50714, SHORT, [0]),
        Tag(50717, LONG, [16_383]),
    ]
    return Page(tags, strip)


def _preview(jpeg: bytes) -> Page:
    size = Image.open(BytesIO(jpeg)).size
    tags = [
        Tag(254, LONG, [1]),
        Tag(256, LONG, [size[0]]),
        Tag(257, LONG, [size[1]]),
        Tag(258, SHORT, [8, 8, 8]),
        Tag(259, SHORT, [7]),
        Tag(262, SHORT, [6]),
        Tag(277, SHORT, [3]),
        Tag(278, LONG, [size[1]]),
        Tag(279, LONG, [len(jpeg)]),
    ]
    return Page(tags, jpeg)


def shell(kind: str, jpeg: bytes, orientation: int = 1) -> bytes:
    """As much of another maker's file as tells its kind, around a JPEG where that maker keeps the preview."""
    about = [Tag(274, SHORT, [orientation]), Tag(306, ASCII, b"2024:05:06 07:08:09\0")]
    if kind == "raf":
        return b"FUJIFILMCCD-RAW 0201FF000000Camera".ljust(160, b"\0") + jpeg + bytes(64)
    if kind == "cr3":
        block = tiff([Page([Tag(271, ASCII, b"Canon\0"), Tag(272, ASCII, b"EOS\0"), *about])])
        return (
            b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom" + b"\0\0\1\0CMT1" + block + bytes(32) + jpeg + bytes(64)
        )
    if kind in ("orf", "rw2"):
        magic = {"orf": b"IIRO", "rw2": b"IIU\0"}[kind]
        pages = [Page([Tag(271, ASCII, b"Maker\0"), Tag(272, ASCII, b"M1\0"), *about])]
        return tiff(pages, magic=magic) + jpeg + bytes(64)
    if kind == "cr2":
        whole = tiff(
            [
                Page(
                    [*_preview(jpeg).tags, Tag(271, ASCII, b"Canon\0"), Tag(272, ASCII, b"EOS\0"), *about],
                    jpeg,
                )
            ]
        )
        return whole[:8] + b"CR\2\0" + whole[12:]
    maker = {"nef": b"NIKON CORPORATION\0", "arw": b"SONY\0"}[kind]
    thumbnail = encoded(Image.new("RGB", (16, 12), "red"), "JPEG")
    first = _preview(thumbnail)
    named = [Tag(271, ASCII, maker), Tag(272, ASCII, b"M1\0"), *about]
    kept = Page([Tag(514, LONG, [len(jpeg)])], jpeg, 513)
    return tiff([Page([*first.tags, *named], thumbnail), kept])


KINDS = {
    "cr2": "image/x-canon-cr2",
    "cr3": "image/x-canon-cr3",
    "nef": "image/x-nikon-nef",
    "arw": "image/x-sony-arw",
    "raf": "image/x-fuji-raf",
    "orf": "image/x-olympus-orf",
    "rw2": "image/x-panasonic-rw2",
}

"""Takes the place where a picture was taken out of a file, and leaves everything else as it is.

The GPS directory of EXIF (Exif 2.32, 4.6.6) is emptied and GPS properties of XMP are blanked, in place: no
byte of the picture itself moves or changes.
"""

import re
import struct
import zlib
from collections.abc import Iterator

_GPS_TAG = 0x8825
_ENTRY_BYTES = 12
_MOST_ENTRIES = 1_000
_MOST_DIRECTORIES = 32
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_TIFF_HEADS = (b"II*\0", b"MM\0*")
_EXIF_HEAD = re.compile(rb"Exif\0\0(?=II\*\0|MM\0\*)")
_XMP_GPS = re.compile(rb"""(:GPS\w+\s*=\s*)("[^"]*"|'[^']*')|(<\w+:GPS\w+[^>]*>)([^<]*)(?=</)""")
_PNG_HEAD = b"\x89PNG\r\n\x1a\n"


def without_location(picture: bytes) -> bytes:
    """The file without GPS data in EXIF or XMP; the very same bytes if it has none."""
    cleaned = bytearray(picture)
    for start in _exif_blocks(picture):
        _empty_gps(cleaned, start)
    _blank_xmp(cleaned)
    if picture.startswith(_PNG_HEAD):
        _drop_packed_profiles(cleaned)
        _mend_png_checksums(cleaned)
    return bytes(cleaned)


def _exif_blocks(picture: bytes) -> Iterator[int]:
    """Where TIFF structures with EXIF begin: whole files, PNG and WebP chunks, JPEG and HEIF blocks."""
    if picture.startswith(_TIFF_HEADS):
        yield 0
    for found in _EXIF_HEAD.finditer(picture):
        yield found.end()
    for kind, gap in ((b"eXIf", 4), (b"EXIF", 8)):
        for found in re.finditer(kind, picture):
            start = found.start() + gap
            if picture.startswith(_TIFF_HEADS, start):
                yield start


def _empty_gps(data: bytearray, base: int) -> None:
    """Empties the GPS directories of the TIFF structure at `base`."""
    order = "<" if data[base : base + 2] == b"II" else ">"
    for entry, tag, _, _ in _entries(data, base, order):
        if tag != _GPS_TAG:
            continue
        (offset,) = struct.unpack_from(f"{order}I", data, entry + 8)
        _empty_directory(data, base, base + offset, order)


def _entries(data: bytearray, base: int, order: str) -> Iterator[tuple[int, int, int, int]]:
    """(place, tag, type, count) of every entry of the main directories."""
    offset, seen = _number(data, base + 4, order), set[int]()
    while offset and offset not in seen and len(seen) < _MOST_DIRECTORIES:
        seen.add(offset)
        start = base + offset
        count = _short(data, start, order)
        yield from _entries_of(data, start, count, order)
        offset = _number(data, start + 2 + count * _ENTRY_BYTES, order)


def _entries_of(data: bytearray, start: int, count: int, order: str) -> Iterator[tuple[int, int, int, int]]:
    for place in range(start + 2, start + 2 + min(count, _MOST_ENTRIES) * _ENTRY_BYTES, _ENTRY_BYTES):
        if place + _ENTRY_BYTES <= len(data):
            tag, kind, values = struct.unpack_from(f"{order}HHI", data, place)
            yield place, tag, kind, values


def _empty_directory(data: bytearray, base: int, start: int, order: str) -> None:
    count = _short(data, start, order)
    for place, _, kind, values in list(_entries_of(data, start, count, order)):
        size = _TYPE_BYTES.get(kind, 1) * values
        if size > 4:
            value = base + _number(data, place + 8, order)
            _blank(data, value, min(size, len(data)))
        _blank(data, place, _ENTRY_BYTES)
    _blank(data, start, 2)  # a directory of no entries


def _blank_xmp(data: bytearray) -> None:
    for found in list(_XMP_GPS.finditer(data)):
        group = 2 if found[2] is not None else 4
        start, end = found.span(group)
        quotes = 1 if group == 2 else 0
        data[start + quotes : end - quotes] = b" " * (end - start - 2 * quotes)


def _drop_packed_profiles(data: bytearray) -> None:
    """Removes PNG text in which an EXIF or XMP profile is packed, where GPS cannot be blanked."""
    for start, end, kind in reversed(list(_png_chunks(data))):
        text = bytes(data[start + 8 : start + 8 + 80])
        packed_xmp = kind == b"iTXt" and text.startswith(b"XML:com.adobe.xmp\0\1")
        if packed_xmp or (kind in (b"zTXt", b"tEXt", b"iTXt") and text.startswith(b"Raw profile type ")):
            del data[start:end]


def _mend_png_checksums(data: bytearray) -> None:
    for start, end, kind in list(_png_chunks(data)):
        if kind in (b"eXIf", b"iTXt", b"tEXt"):
            struct.pack_into(">I", data, end - 4, zlib.crc32(data[start + 4 : end - 4]))


def _png_chunks(data: bytearray) -> Iterator[tuple[int, int, bytes]]:
    """(start, end, kind) of every whole chunk."""
    start = len(_PNG_HEAD)
    while start + 12 <= len(data):
        end = start + 12 + _number(data, start, ">")
        if end > len(data):
            return
        yield start, end, bytes(data[start + 4 : start + 8])
        start = end


def _blank(data: bytearray, start: int, size: int) -> None:
    end = min(start + size, len(data))
    if start < end:
        data[start:end] = bytes(end - start)


def _short(data: bytearray, place: int, order: str) -> int:
    return int(struct.unpack_from(f"{order}H", data, place)[0]) if place + 2 <= len(data) else 0


def _number(data: bytearray, place: int, order: str) -> int:
    return int(struct.unpack_from(f"{order}I", data, place)[0]) if place + 4 <= len(data) else 0

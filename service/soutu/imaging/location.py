"""Takes the place where a picture was taken out of a file, and leaves everything else as it is.

The GPS directory of EXIF (Exif 2.32, 4.6.6) is emptied and GPS properties of XMP are blanked, in place: no
byte of the picture itself moves or changes. It lies in whole TIFFs and raw files, in blocks of JPEG and HEIF,
in chunks of PNG and WebP, and in Canon's CR3 in a box of its own.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from itertools import islice

from soutu.domain.errors import Reason, SoutuError
from soutu.imaging.tiff import BIG, CLASSIC, KINDRED, Tiff

_GPS_TAG, _EXIF_TAG, _SUB_IFDS = 0x8825, 0x8769, 330
_MOST_BLOCKS = 64
_MOST_ENTRIES = 1_000
_TIFF_HEADS = (*CLASSIC, *BIG, *KINDRED)
# JPEG's and HEIF's blocks say "Exif" before; some HEIF items say that they begin 0 bytes behind.
_BLOCK = re.compile(rb"Exif\0\0(?=II\*\0|MM\0\*)|(?<=\0\0\0\0)(?=II\*\0\x08\0\0\0|MM\0\*\0\0\0\x08)")
_CHUNK = re.compile(rb"eXIf(?=II\*\0|MM\0\*)|EXIF.{4}(?=II\*\0|MM\0\*)", re.DOTALL)
_CANON_GPS = re.compile(rb"CMT4(?=II\*\0|MM\0\*)")
_XMP_GPS = re.compile(
    rb"""(:gps\w+\s*=\s*)("[^"]*"|'[^']*')|(<\w{1,64}:gps\w{1,64}[^>]{0,200}>)([^<]{0,500})(?=</)""",
    re.IGNORECASE,
)
_CANON_HEAD = b"ftypcrx "
_PNG_HEAD = b"\x89PNG\r\n\x1a\n"


def without_location(picture: bytes) -> bytes:
    """The file without GPS data in EXIF or XMP; the very same bytes if it has none.

    LOCATION_NOT_REMOVABLE where there are more blocks that may hold it than are looked through.
    """
    cleaned = bytearray(picture)
    for found in islice(_CANON_GPS.finditer(picture), _MOST_BLOCKS if picture[4:12] == _CANON_HEAD else 0):
        _empty_first(picture, cleaned, found.end())
    for count, start in enumerate(_exif_blocks(picture)):
        if count == _MOST_BLOCKS:
            raise SoutuError(Reason.LOCATION_NOT_REMOVABLE)
        _empty_gps(picture, cleaned, start)
    _blank_xmp(cleaned)
    if picture.startswith(_PNG_HEAD):
        cleaned = _without_packed_profiles(cleaned)
        _mend_png_checksums(cleaned)
    return bytes(cleaned)


def _exif_blocks(picture: bytes) -> Iterator[int]:
    """Where TIFF structures with EXIF begin."""
    if picture.startswith(_TIFF_HEADS):
        yield 0
    for kind in (_BLOCK, _CHUNK):
        for found in kind.finditer(picture):
            if found.end() > 0:
                yield found.end()


def _empty_gps(picture: bytes, cleaned: bytearray, base: int) -> None:
    """Empties the GPS directories of the TIFF structure at `base`."""
    tiff = Tiff(memoryview(picture)[base:], _MOST_ENTRIES)
    for directory in tiff.directories((_SUB_IFDS, _EXIF_TAG)):
        for offset in tiff.numbers(directory, _GPS_TAG)[:1]:
            _empty_directory(tiff, cleaned, base, offset)


def _empty_first(picture: bytes, cleaned: bytearray, base: int) -> None:
    """Empties the first directory of the TIFF structure at `base`."""
    view = memoryview(picture)[base:]
    order = "<" if picture.startswith(b"II", base) else ">"
    offset = struct.unpack_from(f"{order}I", view, 4)[0] if len(view) >= 8 else 0
    _empty_directory(Tiff(view, _MOST_ENTRIES), cleaned, base, offset)


def _empty_directory(tiff: Tiff, cleaned: bytearray, base: int, offset: int) -> None:
    """Leaves a directory of no entries, and zeros where its values were."""
    directory, start, end = tiff.at(offset)
    for entry in directory.values():
        _blank(cleaned, base + entry.start, entry.size_bytes)
    _blank(cleaned, base + start, end - start)


def _blank_xmp(data: bytearray) -> None:
    for found in list(_XMP_GPS.finditer(data)):
        group = 2 if found[2] is not None else 4
        start, end = found.span(group)
        quotes = 1 if group == 2 else 0
        data[start + quotes : end - quotes] = b" " * (end - start - 2 * quotes)


def _without_packed_profiles(data: bytearray) -> bytearray:
    """Without the PNG text in which an EXIF or XMP profile is packed, where GPS cannot be blanked."""
    kept, reached = bytearray(), 0
    for start, end, kind in _png_chunks(data):
        text = bytes(data[start + 8 : start + 8 + 80])
        packed_xmp = kind in (b"iTXt", b"zTXt") and text.startswith((b"XML:com.adobe.xmp\0\1", _PACKED_XMP))
        if packed_xmp or (kind in (b"zTXt", b"tEXt", b"iTXt") and text.startswith(b"Raw profile type ")):
            kept += data[reached:start]
            reached = end
    return kept + data[reached:]


_PACKED_XMP = b"XML:com.adobe.xmp\0\0\x78"  # zTXt: method 0, then what zlib begins with


def _mend_png_checksums(data: bytearray) -> None:
    for start, end, kind in list(_png_chunks(data)):
        if kind in (b"eXIf", b"iTXt", b"tEXt"):
            struct.pack_into(">I", data, end - 4, zlib.crc32(memoryview(data)[start + 4 : end - 4]))


def _png_chunks(data: bytearray) -> Iterator[tuple[int, int, bytes]]:
    """(start, end, kind) of every whole chunk."""
    start = len(_PNG_HEAD)
    while start + 12 <= len(data):
        end = start + 12 + int.from_bytes(data[start : start + 4], "big")
        if end > len(data):
            return
        yield start, end, bytes(data[start + 4 : start + 8])
        start = end


def _blank(data: bytearray, start: int, size: int) -> None:
    end = min(start + size, len(data))
    if start < end:
        data[start:end] = bytes(end - start)

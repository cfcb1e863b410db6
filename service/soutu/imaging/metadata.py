"""How many bytes of a file are not picture data, counted before its codec sees it."""

import zlib
from collections.abc import Iterator
from struct import iter_unpack

from PIL import Image

from soutu.imaging.limits import DecodeLimits, unsupported

_PNG_PACKED = (b"zTXt", b"iCCP", b"iTXt")
_PNG_PICTURE = (b"IHDR", b"PLTE", b"IDAT", b"fdAT", b"fcTL")
# How long one value of each TIFF type is (TIFF 6.0, page 15; BigTIFF's 16 to 18), and the tags whose
# length grows with the picture: strip and tile offsets and lengths, colour map, JPEG tables.
_TIFF_VALUE_BYTES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_TIFF_PICTURE = frozenset((258, 273, 279, 288, 289, 320, 324, 325, 330, 339, 347))
_SUBFILE_TYPE, _SUB_IFDS, _DNG_VERSION = 254, 330, 50706


def check_png_metadata(data: bytes, limits: DecodeLimits) -> None:
    """IMAGE_TOO_LARGE where the chunks beside the picture, unpacked, exceed the limit."""
    total = 0
    for kind, start, end in _png_chunks(data):
        if kind in _PNG_PICTURE:
            continue
        total += end - start + 12
        if kind in _PNG_PACKED:
            total += _unpacked_bytes(data[start:end], limits.metadata_bytes)
        limits.check_metadata(total)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(kind, start, end) of every chunk's content."""
    at = 8
    while at + 8 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 8], at + 8, min(at + 8 + length, len(data))
        at += length + 12


def _unpacked_bytes(chunk: bytes, limit: int) -> int:
    """How long the chunk's deflated part is, unpacked, counting to `limit` + 1; 0 if it does not unpack."""
    for at in _deflate_starts(chunk):
        try:
            return len(zlib.decompressobj().decompress(chunk[at:], limit + 1))
        except zlib.error:
            continue
    return 0


def _deflate_starts(chunk: bytes) -> Iterator[int]:
    """Where deflated bytes may begin: after the keyword and its method, or after iTXt's two more texts."""
    end = chunk.find(b"\0", 0, 80)
    if end < 0:
        return
    yield end + 2
    language = chunk.find(b"\0", end + 3)
    if 0 <= language < (translated := chunk.find(b"\0", language + 1)):
        yield translated + 1


def check_tiff_metadata(data: bytes, limits: DecodeLimits) -> None:
    """IMAGE_TOO_LARGE for too long tags; IMAGE_FORMAT_UNSUPPORTED for a camera's raw file.

    Raw files (DNG, NEF, ARW) are TIFFs whose first picture is a small preview: not the image itself.
    """
    order = "<" if data[:2] == b"II" else ">"
    tags = _tiff_tags(data, order, big=data[2:4] in (b"+\0", b"\0+"))
    preview = tags.get(_SUBFILE_TYPE, (0, 0))[1] & 1
    if _DNG_VERSION in tags or (preview and _SUB_IFDS in tags):
        raise unsupported()
    limits.check_metadata(sum(length for tag, (length, _) in tags.items() if tag not in _TIFF_PICTURE))


def _tiff_tags(data: bytes, order: str, big: bool) -> dict[int, tuple[int, int]]:
    """{tag: (length in bytes, value or offset)} of the first directory, as much of it as is there."""
    word, entry = ("Q", "HHQQ") if big else ("I", "HHII")
    at = _number(data, 8 if big else 4, 8 if big else 4, order)
    count_bytes, entry_bytes = (8, 20) if big else (2, 12)
    count = min(_number(data, at, count_bytes, order), 65_535)
    table = data[at + count_bytes :][: count * entry_bytes]
    table = table[: len(table) // entry_bytes * entry_bytes]
    short = {3: 0xFFFF}  # a SHORT fills the first half of its field
    found = {}
    for tag, kind, values, value in iter_unpack(order + entry, table):
        if kind in short and values == 1 and order == ">":
            value >>= 48 if word == "Q" else 16
        found[tag] = (values * _TIFF_VALUE_BYTES.get(kind, 1), value)
    return found


def _number(data: bytes, at: int, length: int, order: str) -> int:
    return int.from_bytes(data[at : at + length], "little" if order == "<" else "big")


def check_opened_metadata(image: Image.Image, limits: DecodeLimits) -> None:
    """IMAGE_TOO_LARGE where the texts and profiles that the codec found exceed the limit."""
    values = [value for value in image.info.values() if isinstance(value, (bytes, str))]
    limits.check_metadata(sum(len(value) for value in values))

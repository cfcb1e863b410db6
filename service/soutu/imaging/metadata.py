"""How many bytes of a file are not picture data, counted before its codec sees it."""

import zlib
from collections.abc import Iterator

from PIL import Image

from soutu.imaging.limits import DecodeLimits
from soutu.imaging.tiff import Tiff

_PNG_PACKED = (b"zTXt", b"iCCP", b"iTXt")
_PNG_PICTURE = (b"IHDR", b"PLTE", b"IDAT", b"fdAT", b"fcTL")
# The tags whose length grows with the picture: strip and tile offsets and lengths, colour map, JPEG tables.
_TIFF_PICTURE = frozenset((258, 273, 279, 288, 289, 320, 324, 325, 330, 339, 347))


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
    """IMAGE_TOO_LARGE for too long tags in the first directory."""
    tags = Tiff(data).first()
    limits.check_metadata(sum(entry.size_bytes for tag, entry in tags.items() if tag not in _TIFF_PICTURE))


def check_opened_metadata(image: Image.Image, limits: DecodeLimits) -> None:
    """IMAGE_TOO_LARGE where the texts and profiles that the codec found exceed the limit."""
    values = [value for value in image.info.values() if isinstance(value, (bytes, str))]
    limits.check_metadata(sum(len(value) for value in values))

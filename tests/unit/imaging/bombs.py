"""Pictures that mean harm, drawn by the tests: each with the reasons that it may be refused with.

"" among the reasons means that it may be decoded: it is odd, and not beyond any limit.
"""

import gzip
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
from PIL import Image

from tests.unit.imaging.pictures import HEIC, encoded, png, png_chunk, scene
from tests.unit.imaging.raws import LONG, Page, Tag, dng, tiff

UNREADABLE, FOREIGN = ("IMAGE_UNREADABLE",), ("IMAGE_FORMAT_UNSUPPORTED",)
LARGE, SLOW = ("IMAGE_TOO_LARGE",), ("IMAGE_TOO_SLOW", "IMAGE_HOSTILE")
FINE = ("",)
Bomb = tuple[Callable[[], bytes], tuple[str, ...], str]
"""How it is drawn, the reasons, and the limit that the refusal names."""

_MIB = 1024 * 1024


def _jpeg_frames(*sizes: tuple[int, int]) -> bytes:
    """A JPEG with a frame header for each size before its scan; only the first is its own."""
    data = encoded(scene(), "JPEG")
    at = data.index(b"\xff\xc0")
    length = int.from_bytes(data[at + 2 : at + 4], "big")
    frame = data[at : at + 2 + length]
    frames = b"".join(frame[:5] + struct.pack(">HH", height, width) + frame[9:] for width, height in sizes)
    return data[:at] + frames + data[at + 2 + length :]


def _many_scans() -> bytes:
    data = encoded(scene(), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * 200 + data[-2:]


def _segments(count: int) -> bytes:
    data = encoded(scene(), "JPEG")
    return data[:2] + (b"\xff\xe5\xff\xff" + bytes(65_533)) * count + data[2:]


def _gif(screen: tuple[int, int], frame: tuple[int, int], extra: bytes = b"") -> bytes:
    """A GIF whose header claims a screen, and its first picture a size; the pixels are of neither."""
    table = bytes(range(6))
    head = b"GIF89a" + struct.pack("<HHBBB", *screen, 0x80, 0, 0) + table
    picture = b"," + struct.pack("<HHHHB", 0, 0, *frame, 0) + b"\x02\x02\x4c\x01\x00"
    return head + extra + picture + b";"


def _gif_frames(count: int) -> bytes:
    data = encoded(Image.new("P", (40, 30)), "GIF")
    start = data.index(b",")
    return data[:start] + data[start:-1] * count + b";"


def _gif_comment(size: int) -> bytes:
    return _gif((8, 8), (8, 8), b"!\xfe" + (b"\xff" + b"x" * 255) * (size // 255) + b"\0")


def _bmp(width: int, height: int, bits: int = 24, compression: int = 0, rows: bytes = b"") -> bytes:
    body = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(rows), 0, 0, 0, 0)
    palette = bytes(1024) if bits == 8 else b""
    offset = 14 + len(body) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(rows), 0, 0, offset) + body + palette + rows


def _tiff(*tags: Tag, strip: bytes = bytes(64 * 96), **changed: int) -> bytes:
    """A grey TIFF of 96 x 64 pixels with some tags added and some changed."""
    basics = {
        "n256": 96,
        "n257": 64,
        "n258": 8,
        "n259": 1,
        "n262": 1,
        "n277": 1,
        "n278": 64,
        "n279": len(strip),
    }
    numbers = {int(name[1:]): value for name, value in (basics | changed).items()}
    plain = [Tag(number, LONG, [value]) for number, value in numbers.items()]
    return tiff([Page([*plain, *tags], strip)])


def _tiff_loop() -> bytes:
    """A TIFF whose directory is followed by itself, and lies below itself."""
    data = bytearray(_tiff(Tag(330, LONG, [0])))
    at = int.from_bytes(data[4:8], "little")
    count = int.from_bytes(data[at : at + 2], "little")
    struct.pack_into("<I", data, at + 2 + 12 * count, at)
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        if data[entry : entry + 2] == b"\x4a\x01":
            struct.pack_into("<I", data, entry + 8, at)
    return bytes(data)


def _tiff_pages(count: int) -> bytes:
    """One picture, and a chain of empty directories behind it."""
    data = bytearray(_tiff())
    at = int.from_bytes(data[4:8], "little")
    struct.pack_into("<I", data, at + 2 + 12 * int.from_bytes(data[at : at + 2], "little"), len(data))
    for number in range(count):
        data += struct.pack("<HI", 0, len(data) + 6 if number + 1 < count else 0)
    return bytes(data)


def _tiff_entries(count: int) -> bytes:
    """A directory of as many entries as fit, each of a tag of its own that nobody knows."""
    entries = b"".join(struct.pack("<HHII", 40_000 + number % 20_000, 1, 1, 0) for number in range(count))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", count) + entries + bytes(4)


def _heic_boxes(count: int) -> bytes:
    """A HEIC whose table of items is far longer than its items."""
    data = (HEIC / "orientation_1.heic").read_bytes()
    at = data.index(b"iinf")
    return data[:at] + b"iinf" + data[at + 4 : at + 8] + struct.pack(">H", count) + data[at + 10 :]


def _heic_claiming(width: int, height: int) -> bytes:
    data = bytearray((HEIC / "orientation_1.heic").read_bytes())
    at = -1
    while (at := data.find(b"ispe", at + 1)) >= 0:
        struct.pack_into(">II", data, at + 8, width, height)
    return bytes(data)


def _webp_claiming(width: int, height: int) -> bytes:
    """An extended WebP whose canvas is not that of its picture."""
    simple = encoded(scene(), "WEBP", lossless=True)
    canvas = struct.pack("<I", 0) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    chunks = b"VP8X" + struct.pack("<I", 10) + canvas + simple[12:]
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


def _animation(kind: str) -> bytes:
    colours = [(number % 256, number // 256, 99) for number in range(400)]
    frames = [Image.new("RGB", (40, 30), colour) for colour in colours]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:])


@cache
def _deep_progressive() -> bytes:
    """50 megapixels in 90 scans: within every limit but that on time."""
    data = encoded(Image.new("RGB", (8_000, 6_200), "teal"), "JPEG", progressive=True, quality=30)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * 80 + data[-2:]


@cache
def deep_png(depth: int, colours: int, channels: int, width: int = 10_000, height: int = 5_000) -> bytes:
    """A black PNG of 50 megapixels, of so many bits and channels."""
    row = width * channels * depth // 8 + 1
    packer = zlib.compressobj(9)
    packed = b"".join([*(packer.compress(bytes(row * 500)) for _ in range(height // 500)), packer.flush()])
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + png_chunk(b"IDAT", packed) + png_chunk(b"IEND", b"")


def _run_lengths() -> bytes:
    """A BMP of 16 megapixels as run lengths: each of its rows is a dozen bytes."""
    row = b"\xff\x05" * 15 + b"\xaf\x05" + b"\0\0"
    return _bmp(4_000, 4_000, 8, 1, row * 4_000 + b"\0\1")


def _packed_profile() -> bytes:
    return png(9, 9, png_chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(64 * _MIB), 9)))


def _packed_text(kind: bytes) -> bytes:
    head = {b"zTXt": b"Comment\0\0", b"iTXt": b"Comment\0\1\0\0\0"}[kind]
    return png(9, 9, png_chunk(kind, head + zlib.compress(bytes(64 * _MIB), 9)))


def _packed_tiff() -> bytes:
    """A strip that unpacks to a thousand times the picture."""
    return _tiff(strip=zlib.compress(bytes(96 * 64 * 1_000), 9), n259=8)


def _video() -> bytes:
    return b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(200)


BOMBS: dict[str, Bomb] = {
    "no bytes": (lambda: b"", ("IMAGE_EMPTY",), ""),
    "one byte": (lambda: b"\xff", FOREIGN, ""),
    "zeros": (lambda: bytes(5_000), FOREIGN, ""),
    "svg": (lambda: b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', FOREIGN, ""),
    "svgz": (lambda: gzip.compress(b"<svg/>"), FOREIGN, ""),
    "pdf": (lambda: b"%PDF-1.7\n" + bytes(500), FOREIGN, ""),
    "postscript": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", FOREIGN, ""),
    "video": (_video, FOREIGN, ""),
    "html": (lambda: b"<!doctype html><img src=x>", FOREIGN, ""),
    "zip": (lambda: b"PK\3\4" + bytes(100), FOREIGN, ""),
    "psd": (lambda: b"8BPS\0\1" + bytes(200), FOREIGN, ""),
    "icon": (lambda: encoded(scene(32, 32), "ICO"), FOREIGN, ""),
    "jpeg 2000": (lambda: encoded(scene(), "JPEG2000"), FOREIGN, ""),
    "targa": (lambda: encoded(scene(), "TGA"), FOREIGN, ""),
    "bytes over the limit": (lambda: bytes(20 * _MIB + 1), LARGE, "size_bytes"),
    "png huge canvas": (lambda: png(50_000, 50_000, rows=b"x"), LARGE, "side"),
    "png many pixels": (lambda: png(10_000, 9_000, rows=b"x"), LARGE, "pixels"),
    "png largest numbers": (lambda: png(2**31 - 1, 2**31 - 1, rows=b"x"), LARGE, "side"),
    "png of no width": (lambda: png(0, 10, rows=b"x"), UNREADABLE, ""),
    "png without picture": (lambda: png(9, 9, rows=b""), UNREADABLE, ""),
    "png profile": (_packed_profile, LARGE, "metadata_bytes"),
    "png packed text": (lambda: _packed_text(b"zTXt"), LARGE, "metadata_bytes"),
    "png packed international text": (lambda: _packed_text(b"iTXt"), LARGE, "metadata_bytes"),
    "png plain text": (
        lambda: png(9, 9, png_chunk(b"tEXt", b"a\0" + b"x" * 2 * _MIB)),
        LARGE,
        "metadata_bytes",
    ),
    "png many texts": (lambda: png(9, 9, png_chunk(b"tEXt", b"a\0b") * 100_000), LARGE, "metadata_bytes"),
    "png exif": (lambda: png(9, 9, png_chunk(b"eXIf", bytes(2 * _MIB))), LARGE, "metadata_bytes"),
    "png unknown chunks": (lambda: png(9, 9, png_chunk(b"abCd", bytes(2 * _MIB))), LARGE, "metadata_bytes"),
    "png chunk length lies": (lambda: png(9, 9)[:33] + b"\x7f\xff\xff\xffIDAT", UNREADABLE, ""),
    "png sixteen bits, 50 megapixels": (lambda: deep_png(16, 6, 4), (*FINE, *SLOW), ""),
    "png grey sixteen bits, 50 megapixels": (lambda: deep_png(16, 0, 1), (*FINE, *SLOW), ""),
    "png one bit, 50 megapixels": (lambda: deep_png(1, 0, 1, 10_000, 5_000), FINE, ""),
    "animated png": (lambda: _animation("PNG"), FINE, ""),
    "jpeg huge canvas": (lambda: _jpeg_frames((65_535, 65_535)), LARGE, "side"),
    "jpeg many pixels": (lambda: _jpeg_frames((9_000, 9_000)), LARGE, "pixels"),
    "jpeg two frames": (lambda: _jpeg_frames((96, 64), (9_000, 9_000)), UNREADABLE, ""),
    "jpeg two frames, the large one first": (lambda: _jpeg_frames((9_000, 9_000), (96, 64)), LARGE, "pixels"),
    "jpeg larger than its pixels": (lambda: _jpeg_frames((4_000, 3_000)), UNREADABLE, ""),
    "jpeg of no height": (lambda: _jpeg_frames((96, 0)), UNREADABLE, ""),
    "jpeg of no width": (lambda: _jpeg_frames((0, 64)), UNREADABLE, ""),
    "jpeg many scans": (_many_scans, LARGE, "jpeg_scans"),
    "jpeg 90 scans, 50 megapixels": (_deep_progressive, (*FINE, *SLOW), ""),
    "jpeg metadata": (lambda: _segments(30), LARGE, "metadata_bytes"),
    "jpeg comments": (
        lambda: b"\xff\xd8" + b"\xff\xfe\0\2" * 400_000 + encoded(scene(), "JPEG")[2:],
        LARGE,
        "metadata_bytes",
    ),
    "jpeg head alone": (lambda: encoded(scene(), "JPEG")[:180], UNREADABLE, ""),
    "jpeg start alone": (lambda: b"\xff\xd8\xff", UNREADABLE, ""),
    "jpeg fill bytes": (lambda: b"\xff\xd8" + b"\xff" * 5 * _MIB, UNREADABLE, ""),
    "gif huge screen": (lambda: _gif((65_535, 65_535), (8, 8)), LARGE, "side"),
    "gif huge picture": (lambda: _gif((8, 8), (65_535, 65_535)), LARGE, "side"),
    "gif many pixels": (lambda: _gif((9_000, 9_000), (8, 8)), LARGE, "pixels"),
    "gif many frames": (lambda: _gif_frames(50_000), FINE, ""),
    "gif comment": (lambda: _gif_comment(3 * _MIB), LARGE, "metadata_bytes"),
    "gif without picture": (lambda: b"GIF89a" + bytes(7) + b";", UNREADABLE, ""),
    "gif head alone": (lambda: b"GIF89a", UNREADABLE, ""),
    "bmp negative width": (lambda: _bmp(-96, 64, rows=bytes(96 * 64 * 3)), (*UNREADABLE, *LARGE), ""),
    "bmp top down": (lambda: _bmp(96, -64, rows=bytes(96 * 64 * 3)), FINE, ""),
    "bmp lowest number": (lambda: _bmp(96, -(2**31)), LARGE, "side"),
    "bmp largest numbers": (lambda: _bmp(2**31 - 1, 2**31 - 1), LARGE, "side"),
    "bmp many pixels": (lambda: _bmp(9_000, 9_000), LARGE, "pixels"),
    "bmp of no size": (lambda: _bmp(0, 0), UNREADABLE, ""),
    "bmp without rows": (lambda: _bmp(4_000, 3_000), UNREADABLE, ""),
    "bmp run lengths": (_run_lengths, (*FINE, *SLOW, *UNREADABLE), ""),
    "bmp head alone": (lambda: b"BM" + bytes(12) + b"(\0\0\0", UNREADABLE, ""),
    "tiff huge canvas": (lambda: _tiff(n256=2**31, n257=2**31), LARGE, "side"),
    "tiff many pixels": (lambda: _tiff(n256=9_000, n257=9_000), LARGE, "pixels"),
    "tiff larger than its strip": (lambda: _tiff(n256=4_000, n257=3_000, n278=3_000), UNREADABLE, ""),
    "tiff strip beyond its end": (lambda: _tiff(n279=2**31), (*UNREADABLE, *FINE), ""),
    "tiff many samples": (lambda: _tiff(n277=60_000), (*UNREADABLE, *FOREIGN), ""),
    "tiff long tag": (lambda: _tiff(Tag(270, 2, b"x" * 2 * _MIB)), LARGE, "metadata_bytes"),
    "tiff tag beyond its end": (
        lambda: b"II*\0\x08\0\0\0\1\0" + b"\x0e\1\2\0\xff\xff\xff\x7f\0\0\0\0" + bytes(8),
        LARGE,
        "metadata_bytes",
    ),
    "tiff directories in a loop": (_tiff_loop, FINE, ""),
    "tiff many pages": (lambda: _tiff_pages(300_000), FINE, ""),
    "tiff many entries": (lambda: _tiff_entries(65_535), (*UNREADABLE, *FOREIGN), ""),
    "tiff packed": (_packed_tiff, (*UNREADABLE, *FINE), ""),
    "tiff directory nowhere": (lambda: b"MM\0*\xff\xff\xff\xff", UNREADABLE, ""),
    "tiff head alone": (lambda: b"II*\0", UNREADABLE, ""),
    "big tiff directory nowhere": (lambda: b"II+\0\x08\0\0\0" + b"\xff" * 8, UNREADABLE, ""),
    "webp animation": (lambda: _animation("WEBP"), FINE, ""),
    "webp huge canvas": (lambda: _webp_claiming(16_777_216, 255), (*LARGE, *UNREADABLE), ""),
    "webp canvas not of its picture": (lambda: _webp_claiming(4_000, 3_000), (*UNREADABLE, *FINE), ""),
    "webp exif": (
        lambda: encoded(scene(), "WEBP", exif=b"Exif\0\0" + bytes(2 * _MIB)),
        LARGE,
        "metadata_bytes",
    ),
    "webp head alone": (lambda: b"RIFF\xff\xff\xff\xffWEBP", UNREADABLE, ""),
    "heic many items": (lambda: _heic_boxes(65_535), (*UNREADABLE, *FINE), ""),
    "heic huge canvas": (lambda: _heic_claiming(60_000, 60_000), (*LARGE, *UNREADABLE), ""),
    "heic brand alone": (lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", UNREADABLE, ""),
    "avif brand alone": (lambda: b"\0\0\0\x18ftypavif\0\0\0\0mif1avif", UNREADABLE, ""),
    "dng huge canvas": (
        lambda: dng(scene()).replace(
            struct.pack("<HHII", 256, LONG, 1, 96), struct.pack("<HHII", 256, LONG, 1, 2**30)
        ),
        (*LARGE, *UNREADABLE, *FOREIGN),
        "",
    ),
    "dng brand alone": (lambda: tiff([Page([Tag(50706, 1, [1, 4, 0, 0])])]), (*UNREADABLE, *FOREIGN), ""),
    "raf head alone": (lambda: b"FUJIFILMCCD-RAW 0201" + bytes(90), (*UNREADABLE, *FOREIGN), ""),
    "raf of preview heads": (
        lambda: b"FUJIFILMCCD-RAW " + b"\xff\xd8\xff\xe0\0\2" * 2_000_000,
        (*UNREADABLE, *FOREIGN),
        "",
    ),
    "gif and script": (lambda: _gif_frames(1) + b"<script>alert(1)</script>", FINE, ""),
    "jpeg and zip": (lambda: encoded(scene(), "JPEG") + b"PK\3\4" + bytes(2_000), FINE, ""),
    "png named as script": (lambda: b"#!/bin/sh\n" + png(9, 9), FOREIGN, ""),
}


_HEADS = (
    b"\xff\xd8\xff\xe0",
    b"\x89PNG\r\n\x1a\n",
    b"GIF89a",
    b"II*\0\x08\0\0\0",
    b"MM\0*\0\0\0\x08",
    b"II+\0\x08\0\0\0",
    b"RIFF\0\1\0\0WEBPVP8 ",
    b"RIFF\0\1\0\0WEBPVP8L",
    b"RIFF\0\1\0\0WEBPVP8X",
    b"BM" + bytes(12) + b"(\0\0\0",
    b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    b"\0\0\0\x18ftypavif\0\0\0\0mif1avif",
    b"FUJIFILMCCD-RAW ",
    b"IIRO\x08\0\0\0",
    b"IIU\0\x08\0\0\0",
    b"II*\0\x10\0\0\0CR\2\0",
    b"\0\0\0\x18ftypcrx ",
)


def noise(count: int) -> Iterator[bytes]:
    """Random bytes behind the beginnings of every format."""
    random = np.random.default_rng(5)
    for head in _HEADS:
        for _ in range(count):
            yield head + random.integers(0, 256, int(random.integers(1, 4_000)), np.uint8).tobytes()

"""Cameras' raw files: the preview that the camera embedded, else the sensor's data developed.

The preview is the camera's own picture of the scene: the largest JPEG in the file that is allowed, and it
counts where it is large enough to stand for the picture. A mere thumbnail does not: then LibRaw develops the
sensor's data, where the extra `raw` is installed.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from io import BytesIO

from PIL import ExifTags, Image

from soutu.domain.errors import Reason, SoutuError
from soutu.imaging.exif import load_tags, orientation_of
from soutu.imaging.formats import ImageFormat
from soutu.imaging.jpeg import JpegHeader, decode_jpeg, read_jpeg_header, start_of_frame
from soutu.imaging.limits import DecodeLimits, unread_variant, unreadable
from soutu.imaging.raw_formats import SENSOR_DATA
from soutu.imaging.stored import Stored, upright_size
from soutu.imaging.tiff import Tiff

_ENOUGH_PX = 512
_SHARE = 4  # a preview may be this many times shorter than the picture, whatever its size
_HALF_FROM_PX = 1024  # the shorter side that half a picture must have to be developed at half size
_SRGB_CURVE = (2.4, 12.92)
_MOST_FOUND = 64
_MOST_READ = 4
_STRUCTURED = (ImageFormat.DNG, ImageFormat.CR2, ImageFormat.NEF, ImageFormat.ARW)
_JPEG_START = re.compile(rb"\xff\xd8\xff[\xc0-\xfe]")
_WIDTH, _LENGTH, _COMPRESSION, _PHOTOMETRIC, _STRIPS, _JPEG_OFFSET = 256, 257, 259, 262, 273, 513
_JPEG_COMPRESSIONS = (6, 7)
_CANON_TAGS = re.compile(rb"CMT1(?=II\*\0|MM\0\*)")

Eighths = Callable[[tuple[int, int]], int]
"""How many eighths of an upright picture of a size are needed."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A JPEG in the file: where it begins, and the size that its frame gives."""

    start: int
    width: int
    height: int


def decode_raw(data: bytes, kind: ImageFormat, eighths: Eighths, limits: DecodeLimits) -> Stored:
    """The picture of a raw file; IMAGE_RAW_UNAVAILABLE where it would have to be developed and cannot be."""
    tags = _tags(data, kind)
    for found in _previews(data, kind, limits):
        try:
            jpeg = data[found.start :]
            header = read_jpeg_header(jpeg, limits)
            return _from_preview(jpeg, header, tags, eighths)
        except (SoutuError, OSError, ValueError, SyntaxError, TypeError):
            continue  # a smaller one may be whole
    return _developed(data, tags, limits)


def _from_preview(jpeg: bytes, header: JpegHeader, tags: Image.Exif, eighths: Eighths) -> Stored:
    """The preview. Its own orientation counts where it has one: it may be upright in a file that is not."""
    own = load_tags(header.exif)
    turn = orientation_of(own if ExifTags.Base.Orientation in own else tags)
    size = upright_size((header.width, header.height), turn)
    stored = decode_jpeg(jpeg, header, eighths(size))
    return replace(stored, orientation=turn, tags=tags if len(tags) else own)


def _previews(data: bytes, kind: ImageFormat, limits: DecodeLimits) -> list[_Found]:
    """The JPEGs that may stand for the picture, largest first."""
    starts = _structured_starts(data) if kind in _STRUCTURED else _scanned_starts(data)
    frames = ((start, start_of_frame(data, start)) for start in starts)
    found = [_Found(start, *frame) for start, frame in frames if frame]
    full = _full_side(data) if kind in _STRUCTURED else 0
    fit = [each for each in found if _stands_for(each, full) and limits.allows(each.width, each.height)]
    return sorted(fit, key=lambda each: -each.width * each.height)[:_MOST_READ]


def _stands_for(found: _Found, full_side: int) -> bool:
    side = max(found.width, found.height)
    return side >= _ENOUGH_PX or side * _SHARE >= full_side > 0


def _structured_starts(data: bytes) -> Iterator[int]:
    """Where the directories say that JPEGs begin, those of sensor data left out."""
    tiff = Tiff(data)
    for directory in tiff.directories():
        if tiff.number(directory, _PHOTOMETRIC) in SENSOR_DATA:
            continue
        yield from tiff.numbers(directory, _JPEG_OFFSET)[:1]
        strips = tiff.numbers(directory, _STRIPS)
        if tiff.number(directory, _COMPRESSION) in _JPEG_COMPRESSIONS and len(strips) == 1:
            yield strips[0]


def _full_side(data: bytes) -> int:
    """The longest side that a directory gives, in pixels."""
    tiff = Tiff(data)
    sides = (tiff.number(each, tag) for each in tiff.directories() for tag in (_WIDTH, _LENGTH))
    return max(sides, default=0)


def _scanned_starts(data: bytes) -> Iterator[int]:
    for count, found in enumerate(_JPEG_START.finditer(data)):
        if count == _MOST_FOUND:
            return
        yield found.start()


def _tags(data: bytes, kind: ImageFormat) -> Image.Exif:
    """EXIF's tags: those of the file's own directories, in CR3 those of its box of tags."""
    if kind is ImageFormat.RAF:
        return Image.Exif()  # they are in the preview
    if kind is ImageFormat.CR3:
        box = _CANON_TAGS.search(data)
        return load_tags(data[box.end() :][: 64 * 1024]) if box else Image.Exif()
    return load_tags((b"MM\0*" if data[:2] == b"MM" else b"II*\0") + data[4:])


def _developed(data: bytes, tags: Image.Exif, limits: DecodeLimits) -> Stored:
    """The sensor's data as a picture with the camera's white balance, upright, at half size if that is a lot
    already: LibRaw need not interpolate then. sRGB's curve, and no brightening, which would clip."""
    try:
        import rawpy
    except ImportError as error:
        raise SoutuError(Reason.IMAGE_RAW_UNAVAILABLE) from error
    try:
        with rawpy.imread(BytesIO(data)) as raw:
            size = (raw.sizes.width, raw.sizes.height)
            limits.check_canvas(*size)
            half = min(size) >= 2 * _HALF_FROM_PX
            pixels = raw.postprocess(
                use_camera_wb=True, half_size=half, output_bps=8, gamma=_SRGB_CURVE, no_auto_bright=True
            )
            turned = raw.sizes.flip in (5, 6)
    except rawpy.LibRawFileUnsupportedError as error:
        raise unread_variant("a camera's raw file") from error
    except rawpy.LibRawError as error:
        raise unreadable() from error
    upright = (size[1], size[0]) if turned else size
    return Stored(Image.fromarray(pixels), upright, 0.5 if half else 1.0, 1, b"", tags)

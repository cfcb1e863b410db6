"""The formats that are allowed, told apart by their first bytes and never by a name."""

from enum import StrEnum
from io import BytesIO
from typing import cast

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from soutu.imaging import raw_formats
from soutu.imaging.tiff import BIG, CLASSIC

_HEIC_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"))
_ANY_BRANDS = frozenset((b"mif1", b"msf1"))  # a container for either
_AVIF_BRANDS = frozenset((b"avif", b"avis"))
_BMP_HEADER_BYTES = (12, 16, 40, 52, 56, 64, 108, 124)


class ImageFormat(StrEnum):
    """An allowed format; the value is its media type."""

    JPEG = "image/jpeg"
    PNG = "image/png"
    WEBP = "image/webp"
    GIF = "image/gif"
    TIFF = "image/tiff"
    BMP = "image/bmp"
    HEIC = "image/heic"
    AVIF = "image/avif"
    DNG = raw_formats.DNG
    CR2 = raw_formats.CR2
    CR3 = raw_formats.CR3
    NEF = raw_formats.NEF
    ARW = raw_formats.ARW
    RAF = raw_formats.RAF
    ORF = raw_formats.ORF
    RW2 = raw_formats.RW2

    @property
    def is_raw(self) -> bool:
        """Whether it is a camera's raw file."""
        return self.value.startswith("image/x-")


def sniff(data: bytes) -> ImageFormat | None:
    """The format that the first bytes announce; None if it is not on the list."""
    if data.startswith(b"\xff\xd8\xff"):
        return ImageFormat.JPEG
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return ImageFormat.PNG
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ImageFormat.WEBP
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return ImageFormat.GIF
    if (raw := raw_formats.sniff_raw(data)) is not None:
        return ImageFormat(raw) if raw else None
    if data[:4] in CLASSIC or data[:4] in BIG:
        return ImageFormat.TIFF
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADER_BYTES:
        return ImageFormat.BMP
    return _sniff_boxes(data) if data[4:8] == b"ftyp" else None


def _sniff_boxes(data: bytes) -> ImageFormat | None:
    """HEIC or AVIF, by the brands of the leading ftyp box (ISO/IEC 14496-12, 4.3)."""
    end = min(int.from_bytes(data[:4], "big"), len(data), 1024)
    major = data[8:12]
    brands = {major, *(data[at : at + 4] for at in range(16, end, 4))}
    if major in _AVIF_BRANDS or (major not in _HEIC_BRANDS and brands & _AVIF_BRANDS):
        return ImageFormat.AVIF
    return ImageFormat.HEIC if brands & (_HEIC_BRANDS | _ANY_BRANDS) else None


def open_image(data: bytes, image_format: ImageFormat) -> ImageFile.ImageFile:
    """The file opened by its format's own codec, headers read, nothing decoded.

    The codec's class is called directly: `PIL.Image.open` would try others, such as MPO for JPEG.
    """
    stream = BytesIO(data)
    if image_format is ImageFormat.HEIC:
        import pi_heif  # type: ignore[import-untyped]  # libheif is loaded only once somebody sends HEIC

        return cast(ImageFile.ImageFile, pi_heif.HeifImageFile(stream))
    return _CODECS[image_format](stream)


_CODECS: dict[ImageFormat, type[ImageFile.ImageFile]] = {
    ImageFormat.JPEG: JpegImagePlugin.JpegImageFile,
    ImageFormat.PNG: PngImagePlugin.PngImageFile,
    ImageFormat.WEBP: WebPImagePlugin.WebPImageFile,
    ImageFormat.GIF: GifImagePlugin.GifImageFile,
    ImageFormat.TIFF: TiffImagePlugin.TiffImageFile,
    ImageFormat.BMP: BmpImagePlugin.BmpImageFile,
    ImageFormat.AVIF: AvifImagePlugin.AvifImageFile,
}

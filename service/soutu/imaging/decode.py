"""Untrusted bytes to what a job asks for. The story: limits first, then decode, turn upright, fit."""

from collections.abc import Sequence
from functools import partial

from soutu.domain.errors import SoutuError
from soutu.domain.image import NO_ANNOTATIONS
from soutu.imaging.deep_tiff import read_deep_tiff
from soutu.imaging.exif import load_tags, orientation_of, read_exif, tags_of
from soutu.imaging.fit import fit, region_size, resized_size
from soutu.imaging.formats import ImageFormat, open_image, sniff
from soutu.imaging.job import Decoded, DecodeJob
from soutu.imaging.jpeg import decode_jpeg, read_jpeg_header
from soutu.imaging.limits import DecodeLimits, unread_variant, unreadable, unsupported
from soutu.imaging.metadata import check_opened_metadata, check_png_metadata, check_tiff_metadata
from soutu.imaging.raw import decode_raw
from soutu.imaging.stored import Stored, upright, upright_size
from soutu.imaging.thumbnail import thumbnail, thumbnail_size
from soutu.imaging.xmp import read_embedded

_METADATA_CHECKS = {ImageFormat.PNG: check_png_metadata, ImageFormat.TIFF: check_tiff_metadata}
_XMP_PACKETS = ("xmp", "XML:com.adobe.xmp")
# The scales that libjpeg-turbo has vector code for: 5/8 to 7/8 take longer than all, 3/8 as long as 4/8.
_EIGHTHS = (1, 2, 4, 8)
# Below it what is left to the resizing filter is too little for the result to be that of the whole picture
# (docs/decisions/0027-jpegs-are-reduced-to-twice-what-is-needed.md).
_SPARE = 2.25
# How Pillow's codecs say that a file is sound and of a form that they do not know.
_UNREAD_FORMS = ("unknown pixel mode", "unsupported", "unknown raw mode", "tiff: unsupported")


def decode(data: bytes, job: DecodeJob, limits: DecodeLimits) -> Decoded:
    """Decode one image; the first frame of an animation, the first page of a document.

    Raises SoutuError: IMAGE_EMPTY, IMAGE_FORMAT_UNSUPPORTED, IMAGE_TOO_LARGE, IMAGE_UNREADABLE,
    IMAGE_RAW_UNAVAILABLE. Time and memory are not limited here: run untrusted bytes through
    `pool.DecodePool`. MemoryError passes through.
    """
    limits.check_bytes(data)
    image_format = sniff(data)
    if image_format is None:
        raise unsupported()
    try:
        return _decode_as(image_format, data, job, limits)
    except (SoutuError, MemoryError):
        raise
    except Exception as error:
        # Codecs raise nearly any type for bad bytes. A fault of ours shows in the cause, and in the tests.
        rare = str(error).lower().startswith(_UNREAD_FORMS)
        raise (unread_variant(image_format.value) if rare else unreadable()) from error


def _decode_as(image_format: ImageFormat, data: bytes, job: DecodeJob, limits: DecodeLimits) -> Decoded:
    if image_format is ImageFormat.JPEG:
        stored = _stored_jpeg(data, job, limits)
    elif image_format.is_raw:
        stored = decode_raw(data, image_format, partial(eighths_needed, job=job), limits)
    else:
        stored = _stored(data, image_format, limits)
    picture = upright(stored)
    return Decoded(
        width=picture.size[0],
        height=picture.size[1],
        media_type=image_format.value,
        exif=read_exif(stored.tags),
        pixels=fit(picture, job.region, job.input) if job.input else None,
        thumbnail=thumbnail(picture, job.thumbnail_side) if job.thumbnail_side else None,
        annotations=read_embedded(stored.xmp) if job.annotations else NO_ANNOTATIONS,
    )


def _stored_jpeg(data: bytes, job: DecodeJob, limits: DecodeLimits) -> Stored:
    header = read_jpeg_header(data, limits)
    orientation = orientation_of(load_tags(header.exif))
    size = upright_size((header.width, header.height), orientation)
    return decode_jpeg(data, header, eighths_needed(size, job))


def eighths_needed(size: tuple[int, int], job: DecodeJob) -> int:
    """The least n of 1, 2, 4, 8 such that n/8 of an upright picture of `size` is large enough for the job:
    not below its thumbnail, and 2.25 times what a model's input is resized to, or whole."""
    needed = 0.0
    if job.input:
        part = region_size(size, job.region)
        resized = resized_size(part, job.input)
        needed = _SPARE * max(resized[0] / part[0], resized[1] / part[1])
    if job.thumbnail_side:
        small = thumbnail_size(size, job.thumbnail_side)
        needed = max(needed, small[0] / size[0], small[1] / size[1])
    return next((n for n in _EIGHTHS if n >= 8 * needed - 1e-9), 8)


def _stored(data: bytes, image_format: ImageFormat, limits: DecodeLimits) -> Stored:
    """Decode by Pillow's or libheif's codec, at full scale.

    TIFF's, HEIC's and AVIF's codecs apply the orientation, or report what is left to apply, themselves;
    hence the tags are asked only after loading, and HEIF's own transformations rule, not its EXIF block.
    """
    if check := _METADATA_CHECKS.get(image_format):
        check(data, limits)
    deep = read_deep_tiff(data, limits) if image_format is ImageFormat.TIFF else None
    if deep is not None:
        tags = load_tags(data)
        return Stored(deep, deep.size, 1.0, orientation_of(tags), b"", tags)
    image = open_image(data, image_format)
    limits.check_canvas(*image.size)
    check_opened_metadata(image, limits)
    xmp = [image.info.pop(name, None) for name in _XMP_PACKETS]  # or Pillow takes an orientation from them
    image.load()
    limits.check_canvas(*image.size)
    tags = tags_of(image)
    icc = image.info.get("icc_profile") or b""
    return Stored(image, image.size, 1.0, orientation_of(tags), bytes(icc), tags, _packet(xmp))


def _packet(found: Sequence[object]) -> bytes:
    """The first packet of XMP that was found, as bytes."""
    texts = (each.encode() if isinstance(each, str) else each for each in found)
    return next((each for each in texts if isinstance(each, bytes) and each), b"")

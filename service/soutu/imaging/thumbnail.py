"""Thumbnails: small JPEGs for people, in sRGB and without any metadata."""

import numpy as np
import simplejpeg
from PIL import Image

from soutu.imaging.stored import Upright

_QUALITY = 85


def thumbnail(picture: Upright, side: int) -> bytes:
    """A JPEG of the whole picture, upright, its longer side at most `side` pixels; never enlarged.

    It is made from pixels alone, so nothing of the original's metadata, position included, is in it.
    """
    image = picture.image.resize(
        thumbnail_size(picture.size, side), Image.Resampling.BICUBIC, box=_inside(picture), reducing_gap=3.0
    )
    pixels = np.ascontiguousarray(np.asarray(image, np.uint8))
    return bytes(simplejpeg.encode_jpeg(pixels, quality=_QUALITY, colorspace="RGB", colorsubsampling="420"))


def thumbnail_size(size: tuple[int, int], side: int) -> tuple[int, int]:
    """(width, height) in pixels of the thumbnail of a picture of `size`."""
    scale = min(1.0, side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _inside(picture: Upright) -> tuple[float, float, float, float]:
    left, top, right, bottom = picture.extent
    return left, top, min(right, picture.image.width), min(bottom, picture.image.height)

"""Any picture's colours to 8-bit sRGB: depths scaled, profiles applied, transparency laid on white."""

from functools import lru_cache
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

_WHITE = (255, 255, 255)
_DEEP_MODES = ("I", "F")  # and every "I;16"
_PROFILED_MODES = {
    "L": "GRAY",
    "RGB": "RGB",
    "CMYK": "CMYK",
    "LAB": "Lab",
}  # mode: the profile's colour space
_INTEGERS = (65535.0,)
_NEARLY_SAME = 2  # of 255


def to_srgb(image: Image.Image, icc: bytes) -> Image.Image:
    """`image`, of any mode, as mode "RGB" in sRGB; `icc` is its profile or empty.

    A profile that is broken or is for other colours is ignored. Transparency is laid on white.
    """
    if image.mode == "RGB" and not icc and "transparency" not in image.info:
        return image
    image = _plain(image)
    if image.mode == "RGBA":
        alpha = image.getchannel("A")
        canvas = Image.new("RGB", image.size, _WHITE)
        canvas.paste(_opaque_srgb(image.convert("RGB"), icc), mask=alpha)
        return canvas
    return _opaque_srgb(image, icc)


def _plain(image: Image.Image) -> Image.Image:
    """The same picture in mode "L", "RGB", "RGBA", "CMYK" or "LAB"."""
    if image.mode in _DEEP_MODES or image.mode.startswith("I;16"):
        return _shallow(image)
    if image.has_transparency_data:
        return image.convert("RGBA")
    if image.mode in _PROFILED_MODES:
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _opaque_srgb(image: Image.Image, icc: bytes) -> Image.Image:
    if not icc and image.mode != "LAB":
        return image.convert("RGB")
    try:
        transform = _transform(icc, image.mode)
        converted = ImageCms.applyTransform(image, transform) if transform else None
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        converted = None
    return converted if converted is not None else image.convert("RGB")


@lru_cache(maxsize=8)
def _transform(icc: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The way from a profile's colours to sRGB; None where it changes nothing or is not for `mode`.

    Remembered for the last few profiles: making one takes longer than applying it to a small picture.
    """
    if mode == "LAB":
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    else:
        profile = ImageCms.ImageCmsProfile(BytesIO(icc))
    if profile.profile.xcolor_space.strip() != _PROFILED_MODES.get(mode):
        return None
    transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, "RGB")
    return None if mode == "RGB" and _changes_nothing(transform) else transform


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether a grid of 9 x 9 x 9 colours stays where it is: so most cameras' "sRGB" profiles."""
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(27, 27, 3)
    moved = ImageCms.applyTransform(Image.fromarray(grid), transform)
    return moved is not None and int(np.abs(np.asarray(moved, np.int16) - grid).max()) <= _NEARLY_SAME


def _shallow(image: Image.Image) -> Image.Image:
    """A 16-bit, 32-bit or float image of one channel as mode "L", scaled and never clipped."""
    whites = (1.0, 255.0) if image.mode == "F" else (65535.0,)
    return Image.fromarray(scaled(np.array(image, np.float32), whites))


def scaled(values: NDArray[np.float32], whites: tuple[float, ...]) -> NDArray[np.uint8]:
    """Values of any range as 8 bits, in place of `values`: scaled and never clipped.

    They are taken to run from 0 to the first of `whites` that holds them all, else to their maximum: 16-bit
    values, and integers that fit 16 bits, are divided by 257. Negative integers of 16 bits are taken to run
    from their least to their largest number; other negative values move the lower end. What is no number is
    black, and what is infinite like the largest that is not.
    """
    finite = np.isfinite(values)
    low = min(0.0, float(values.min(where=finite, initial=0.0)))
    high = float(values.max(where=finite, initial=-np.inf))
    if not np.isfinite(high):
        return np.zeros(values.shape, np.uint8)
    if whites == _INTEGERS and -32768 <= low < 0 and high <= 32767:
        low, white = -32768.0, 32767.0
    else:
        white = next((white for white in whites if high <= white), high)
    if not finite.all():
        np.nan_to_num(values, copy=False, nan=low, posinf=high, neginf=low)
    values -= np.float32(low)
    values *= np.float32(255.0 / (white - low))
    np.rint(values, out=values)
    return values.astype(np.uint8)

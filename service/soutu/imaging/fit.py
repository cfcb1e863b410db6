"""Upright RGB to a model's input: the one implementation of resize and crop, for build and query alike.

How this compares with torchvision. For a whole image decoded at full scale, a square input and Fit.CROP, the
result is that of `Resize(floor(size / crop_fraction), antialias=True)` on a PIL image followed by
`CenterCrop(size)`: the short side takes that length, the long side `int(short * long / short_side)` (rounded
down), the crop starts at `round((resized - size) / 2)` (ties to even), and both use Pillow's antialiased
kernels on uint8. Here both are one step: Pillow resizes only the box that the crop keeps. The kernel still
sees the pixels around that box, so the sample positions and weights are the same; the box's edges are
floats, so that single values may differ by 1 or 2 of 255. It differs from torchvision beyond that where
- a JPEG was decoded at reduced scale (mean difference under 1 of 255; build and query do the same);
- a region was asked for: its edges lie between pixels, and no pixel more than one outside it is seen;
- the input is not square (torchvision's Resize knows one length): the image covers both sides.
Fit.STRETCH is `Resize((height, width))`. Fit.PAD is Resize to the long side, in the middle of a canvas.
"""

from math import ceil, floor

import numpy as np
from PIL import Image

from soutu.domain.image import Region
from soutu.domain.model import Fit, InputSpec, Interpolation
from soutu.imaging.job import Pixels
from soutu.imaging.stored import Box, Upright

# The mean colour of ImageNet, which models are normalised by: after that, the padding is zero.
_PADDING = (124, 116, 104)
_KERNELS = {
    Interpolation.BILINEAR: Image.Resampling.BILINEAR,
    Interpolation.BICUBIC: Image.Resampling.BICUBIC,
}
_WHOLE = Region(0, 0, 1, 1)


def fit(picture: Upright, region: Region | None, spec: InputSpec) -> Pixels:
    """The picture, or a region of it, as a model takes it: uint8 of shape (height, width, 3)."""
    image, box = _cut(picture, region or _WHOLE)
    width, height = resized_size(region_size(picture.size, region), spec)
    kernel = _KERNELS[spec.interpolation]
    if spec.fit is Fit.CROP:
        kept = _middle(box, (width, height), spec)
        return _pixels(image.resize((spec.width, spec.height), kernel, box=kept))
    resized = image.resize((width, height), kernel, box=box)
    return _pixels(_padded(resized, spec) if spec.fit is Fit.PAD else resized)


def resized_size(size: tuple[float, float], spec: InputSpec) -> tuple[int, int]:
    """(width, height) in pixels that an image of `size` is resized to, before any crop or padding."""
    if spec.fit is Fit.STRETCH:
        return spec.width, spec.height
    width, height = size
    if spec.fit is Fit.PAD:
        scale = min(spec.width / width, spec.height / height)
        return max(1, round(width * scale)), max(1, round(height * scale))
    cover_width, cover_height = _cover(spec.width, spec), _cover(spec.height, spec)
    if width * cover_height <= height * cover_width:
        return cover_width, max(cover_height, int(cover_width * height / width))
    return max(cover_width, int(cover_height * width / height)), cover_height


def region_size(size: tuple[int, int], region: Region | None) -> tuple[float, float]:
    """(width, height) of the region in pixels of the full picture."""
    if region is None:
        return size
    return size[0] * (region.right - region.left), size[1] * (region.bottom - region.top)


def _cover(side: int, spec: InputSpec) -> int:
    """The length that a crop of `side` is taken from; rounded down, as timm does (224 / .9 = 248)."""
    return max(side, floor(side / spec.crop_fraction + 1e-6))


def _cut(picture: Upright, region: Region) -> tuple[Image.Image, Box]:
    """The region's pixels, whole ones, and the region's box among them."""
    left, top, right, bottom = picture.extent
    across, down = right - left, bottom - top
    box = (
        left + region.left * across,
        top + region.top * down,
        min(left + region.right * across, picture.image.width),
        min(top + region.bottom * down, picture.image.height),
    )
    outer = (floor(box[0]), floor(box[1]), ceil(box[2]), ceil(box[3]))
    if outer == (0, 0, *picture.image.size):
        return picture.image, box
    inner = (box[0] - outer[0], box[1] - outer[1], box[2] - outer[0], box[3] - outer[1])
    return picture.image.crop(outer), inner


def _middle(box: Box, resized: tuple[int, int], spec: InputSpec) -> Box:
    """The part of `box` that the central crop keeps, once `box` is resized to `resized`."""
    left, top, right, bottom = box
    per_x, per_y = (right - left) / resized[0], (bottom - top) / resized[1]
    skip_x, skip_y = round((resized[0] - spec.width) / 2), round((resized[1] - spec.height) / 2)
    return (
        left + skip_x * per_x,
        top + skip_y * per_y,
        min(left + (skip_x + spec.width) * per_x, right),
        min(top + (skip_y + spec.height) * per_y, bottom),
    )


def _padded(image: Image.Image, spec: InputSpec) -> Image.Image:
    canvas = Image.new("RGB", (spec.width, spec.height), _PADDING)
    canvas.paste(image, ((spec.width - image.width) // 2, (spec.height - image.height) // 2))
    return canvas


def _pixels(image: Image.Image) -> Pixels:
    return np.ascontiguousarray(np.asarray(image, np.uint8))

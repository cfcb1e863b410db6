"""A picture as its file stores it, and the same picture turned upright in sRGB."""

from dataclasses import dataclass

from PIL import Image

from soutu.imaging.colour import to_srgb

Box = tuple[float, float, float, float]  # left, top, right, bottom, in pixels

_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDES_SWAPPED = (5, 6, 7, 8)
_MIRRORED_X = (2, 3, 6, 7)  # once the sides are swapped
_MIRRORED_Y = (3, 4, 7, 8)


@dataclass(frozen=True, slots=True)
class Stored:
    """A decoded picture before orientation and colour.

    `image` may have any mode and is `scale` (0.125..1) of `size`, rounded up. `orientation` is EXIF's,
    1 where the codec has applied it. `icc` is the profile of the image's colours, or empty; `xmp` a packet of
    annotations, or empty.
    """

    image: Image.Image
    size: tuple[int, int]
    scale: float
    orientation: int
    icc: bytes
    tags: Image.Exif
    xmp: bytes = b""


@dataclass(frozen=True, slots=True)
class Upright:
    """A picture as it is meant to be seen.

    `image` has mode "RGB" in sRGB; the picture fills the box `extent` of it, whose edges may lie between
    pixels where a reduced scale did not divide the size. `size` is that of the full picture.
    """

    image: Image.Image
    size: tuple[int, int]
    extent: Box


def upright(stored: Stored) -> Upright:
    """Orientation applied once, colours converted to sRGB, transparency laid on white."""
    image = to_srgb(stored.image, stored.icc)
    width, height = stored.size
    filled = (width * stored.scale, height * stored.scale)
    extent = _turned(filled, image.size, stored.orientation)
    method = _TRANSPOSE.get(stored.orientation)
    if method is not None:  # the first method's number is zero
        image = image.transpose(method)
    return Upright(image, upright_size(stored.size, stored.orientation), extent)


def upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """(width, height) after the orientation is applied."""
    return (size[1], size[0]) if orientation in _SIDES_SWAPPED else size


def _turned(filled: tuple[float, float], size: tuple[int, int], orientation: int) -> Box:
    """Where the top left box of size `filled` comes to lie when its image is turned upright."""
    (right, bottom), (width, height) = filled, size
    if orientation in _SIDES_SWAPPED:
        right, bottom, width, height = bottom, right, height, width
    left = width - right if orientation in _MIRRORED_X else 0.0
    top = height - bottom if orientation in _MIRRORED_Y else 0.0
    return left, top, left + right, top + bottom

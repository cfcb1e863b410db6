"""What a decoder is asked and what it answers: the values that cross the process boundary."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soutu.domain.image import NO_ANNOTATIONS, Annotations, Exif, Region
from soutu.domain.model import InputSpec

Pixels = NDArray[np.uint8]  # shape (height, width, 3), sRGB, 0..255, C-contiguous


@dataclass(frozen=True, slots=True)
class DecodeJob:
    """What is wanted of one image's bytes.

    `input` asks for pixels fitted to a model; `region` (of the upright image) limits them to a part.
    `thumbnail_side` asks for a thumbnail of the whole image whose longer side is at most so many pixels,
    `annotations` for what is noted of the image within its file.
    """

    input: InputSpec | None = None
    region: Region | None = None
    thumbnail_side: int | None = None
    annotations: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """What the bytes held.

    `width` and `height` are of the upright image, in pixels, whatever scale it was decoded at.
    `pixels` has shape (input.height, input.width, 3), or is None where no input was asked for.
    `thumbnail` is a JPEG without metadata, or None where none was asked for.
    """

    width: int
    height: int
    media_type: str
    exif: Exif
    pixels: Pixels | None
    thumbnail: bytes | None
    annotations: Annotations = NO_ANNOTATIONS

"""Photos of the Grocery Store dataset in two views, of which it is known how one lies in the other."""

import math
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from soutu.domain.model import InputSpec
from soutu.imaging.decode import decode
from soutu.imaging.job import DecodeJob
from soutu.imaging.limits import DecodeLimits
from soutu.models.running import Arrays

SHARED = Path(__file__).resolve().parents[5] / "shared"
GROCERY = SHARED / "datasets" / "grocery.tar.gz"
WEIGHTS = SHARED / "weights"
NEAR = 3.0  # pixels between where a match is and where it should be
_PHOTOS = 4

Pixels = NDArray[np.uint8]
Places = NDArray[np.float32]


@dataclass(frozen=True)
class Views:
    """A photo and its rotated, enlarged middle, uint8 (height, width, 3) each; `matrix` float64 (2, 3) maps
    places in the first to places in the second."""

    first: Pixels
    second: Pixels
    matrix: NDArray[np.float64]

    @property
    def both(self) -> Pixels:
        return np.stack([self.first, self.second])

    def right(self, places: Places, others: Places) -> float:
        """The share of matches, places (m, 2) and others (m, 2), within 3 pixels of where they should be."""
        expected = places @ self.matrix[:, :2].T + self.matrix[:, 2]
        return float((np.linalg.norm(expected - others, axis=1) <= NEAR).mean())


def photos() -> list[bytes]:
    """Four photos of the dataset's test part: of many kinds, always the same."""
    with tarfile.open(GROCERY) as archive:
        names = sorted(name for name in archive.getnames() if name.startswith("test/") and ".jpg" in name)
        chosen = [names[number * len(names) // _PHOTOS] for number in range(_PHOTOS)]
        return [archive.extractfile(name).read() for name in chosen]  # type: ignore[union-attr]


def views_of(photo: bytes, spec: InputSpec, degrees: float = 15, zoom: float = 1.3) -> Views:
    """The photo as a model sees it, and its middle, turned and enlarged."""
    pixels = decode(photo, DecodeJob(input=spec), DecodeLimits()).pixels
    assert pixels is not None
    turn = math.radians(degrees)
    linear = zoom * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    middle = np.array([(spec.width - 1) / 2, (spec.height - 1) / 2])
    matrix = np.hstack([linear, (middle - linear @ middle)[:, None]])
    back = np.linalg.inv(linear)
    # Pillow's places are those of corners: the middle of the first pixel is 0.5.
    shift = middle - back @ middle + 0.5 - back @ np.array([0.5, 0.5])
    given = (*back[0], shift[0], *back[1], shift[1])
    turned = Image.fromarray(pixels).transform(
        (spec.width, spec.height), Image.Transform.AFFINE, given, Image.Resampling.BICUBIC
    )
    return Views(pixels, np.asarray(turned), matrix)


def mutual_nearest(found: Arrays) -> tuple[Places, Places]:
    """The places of keypoints that are each other's nearest by descriptor, in the two pictures."""
    kept = [found["scores"][number] > 0 for number in (0, 1)]
    left, right = (found["descriptors"][number][kept[number]] for number in (0, 1))
    alike = left @ right.T
    partners, back = alike.argmax(axis=1), alike.argmax(axis=0)
    mutual = back[partners] == np.arange(len(left))
    first, second = (found["keypoints"][number][kept[number]] for number in (0, 1))
    return first[mutual], second[partners[mutual]]

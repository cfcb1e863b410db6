"""Draws photo-like JPEGs: smooth noise of several octaves, shapes, grain. Equal numbers, equal pictures."""

from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from multiprocessing import get_context
from os import sched_getaffinity
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

PICTURES = Path(__file__).parent.parent / "build" / "bench" / "pictures"
SHARD = 100  # pictures in one directory
QUALITY = 85
QUERIES_FROM = 1_000_000  # the numbers of pictures that are asked for and never stored

_OCTAVES_PX = (256, 96, 36, 12, 4, 1)  # the last is a camera's grain
_STRENGTHS = (52, 34, 20, 11, 9, 18)


@dataclass(frozen=True, slots=True)
class Size:
    """Of a picture, in pixels."""

    width: int
    height: int


SMALL = Size(500, 375)
TWELVE_MEGAPIXELS = Size(4000, 3000)


def stored_pictures(count: int) -> list[str]:
    """Draws what is missing of pictures 0 to `count` (whole shards) below `PICTURES / "stored"`.

    Returns the glob patterns that choose just these there.
    """
    shards = range(-(-count // SHARD))
    draw_missing(
        {PICTURES / "stored" / f"{number // SHARD:04}" / f"{number:06}.jpg": number
         for number in range(len(shards) * SHARD)}, SMALL,
    )  # fmt: skip
    return [f"{shard:04}/*" for shard in shards]


def query_pictures(count: int) -> list[bytes]:
    """`count` pictures like the stored ones, none of them stored, no two alike."""
    files = {PICTURES / "queries" / f"{number:06}.jpg": QUERIES_FROM + number for number in range(count)}
    draw_missing(files, SMALL)
    return [file.read_bytes() for file in files]


def large_pictures(count: int) -> list[bytes]:
    """`count` different pictures of 12 megapixels."""
    files = {PICTURES / "large" / f"{number:03}.jpg": 2 * QUERIES_FROM + number for number in range(count)}
    draw_missing(files, TWELVE_MEGAPIXELS)
    return [file.read_bytes() for file in files]


def draw_missing(files: dict[Path, int], size: Size) -> None:
    missing = {file: number for file, number in files.items() if not file.exists()}
    for directory in {file.parent for file in missing}:
        directory.mkdir(parents=True, exist_ok=True)
    if missing:
        in_processes(partial(draw_file, size), missing.items())


def in_processes(draw: partial[None], work: Iterable[tuple[Path, int]]) -> None:
    """As many at a time as there are cores."""
    with ProcessPoolExecutor(len(sched_getaffinity(0)), get_context("spawn")) as processes:
        for _ in processes.map(draw, work, chunksize=16):
            pass


def draw_file(size: Size, work: tuple[Path, int]) -> None:
    file, number = work
    partial_file = file.with_suffix(".partial")
    drawn(number, size).save(partial_file, "JPEG", quality=QUALITY)
    partial_file.rename(file)


def drawn(number: int, size: Size = SMALL) -> Image.Image:
    """The picture of this number: a stretch of each octave's noise, tinted, with shapes and grain."""
    random = np.random.default_rng(number)
    light = np.zeros((size.height, size.width), np.float32)
    for octave, strength in zip(_OCTAVES_PX, _STRENGTHS, strict=True):
        light += stretch(noise_field(octave, max(1024, size.width)), size, random) * np.float32(
            strength * random.uniform(0.5, 1.2)
        )
    tint = stretch(noise_field(_OCTAVES_PX[0], max(1024, size.width)), size, random)
    pixels = np.empty((size.height, size.width, 3), np.uint8)
    for channel in range(3):
        mean, slope = np.float32(random.uniform(80, 170)), np.float32(random.uniform(-25, 25))
        pixels[:, :, channel] = np.clip(light + tint * slope + mean, 0, 255)
    picture = Image.fromarray(pixels)
    add_shapes(picture, random)
    return picture


def stretch(field: NDArray[np.float32], size: Size, random: np.random.Generator) -> NDArray[np.float32]:
    """A part of a square field, turned over or not."""
    top = int(random.integers(field.shape[0] - size.height + 1))
    left = int(random.integers(field.shape[1] - size.width + 1))
    part = field[top : top + size.height, left : left + size.width]
    return part[:: random.choice((-1, 1)), :: random.choice((-1, 1))]


@lru_cache
def noise_field(octave_px: int, side_px: int) -> NDArray[np.float32]:
    """Smooth noise of mean 0 and deviation near 1, (side, side)."""
    coarse = np.random.default_rng(octave_px).standard_normal(2 * [side_px // octave_px + 2])
    image = Image.fromarray(coarse.astype(np.float32))
    smooth = image.resize((side_px, side_px), Image.Resampling.BICUBIC)
    return np.asarray(smooth, np.float32)


def add_shapes(picture: Image.Image, random: np.random.Generator) -> None:
    """A dozen ellipses, boxes and lines, in place."""
    draw = ImageDraw.Draw(picture)
    extent = np.array(picture.size)
    for kind in random.integers(3, size=12):
        start = random.uniform(-0.1, 1, 2) * extent
        end = start + random.uniform(0.03, 0.35, 2) * extent
        colour = tuple(int(value) for value in random.integers(256, size=3))
        corners = (*start, *end)
        if kind == 0:
            draw.ellipse(corners, fill=colour)
        elif kind == 1:
            draw.rectangle(corners, outline=colour, width=int(extent[0]) // 100)
        else:
            draw.line(corners, fill=colour, width=int(extent[0]) // 150)

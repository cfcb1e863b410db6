"""Pictures drawn by the tests: seeded, cheap, and different enough for the bundled model to tell apart."""

import colorsys
import io
import random
import struct
import zlib
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

WIDTH, HEIGHT = 320, 240


def drawn(seed: int, width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """The picture of this seed: a gradient, stripes, and a few shapes. The same in any size."""
    chance = random.Random(seed)
    picture = Image.fromarray(_background(chance, width, height))
    pen = ImageDraw.Draw(picture)
    for _ in range(chance.randint(3, 6)):
        left, top = chance.uniform(-0.1, 0.7), chance.uniform(-0.1, 0.7)
        right, bottom = left + chance.uniform(0.15, 0.5), top + chance.uniform(0.15, 0.5)
        box = (left * width, top * height, right * width, bottom * height)
        shape = chance.choice((pen.ellipse, pen.rectangle))
        shape(box, fill=_colour(chance))
    return picture


def _background(chance: random.Random, width: int, height: int) -> NDArray[np.uint8]:
    """RGB, shape (height, width, 3), 0 to 255."""
    down, across = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    slope = chance.uniform(0, 1)
    share = (slope * down + (1 - slope) * across)[..., None]
    one, other = np.array(_colour(chance)), np.array(_colour(chance))
    waves = np.sin(down * chance.uniform(-60, 60) + across * chance.uniform(-60, 60))[..., None]
    pixels = one * share + other * (1 - share) + 25 * waves
    return np.asarray(pixels.clip(0, 255), np.uint8)


def _colour(chance: random.Random) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(chance.random(), chance.uniform(0.4, 1), chance.uniform(0.3, 1))
    return round(red * 255), round(green * 255), round(blue * 255)


def encoded(picture: Image.Image, kind: str = "JPEG", quality: int = 90) -> bytes:
    """The picture as the bytes of an image file."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, quality=quality)
    return buffer.getvalue()


@cache
def jpeg(seed: int, width: int = WIDTH, height: int = HEIGHT, quality: int = 90) -> bytes:
    """The picture of this seed as JPEG."""
    return encoded(drawn(seed, width, height), "JPEG", quality)


@cache
def png(seed: int, width: int = WIDTH, height: int = HEIGHT) -> bytes:
    """The picture of this seed as PNG: its very pixels."""
    return encoded(drawn(seed, width, height), "PNG")


def crop(picture: Image.Image, box: tuple[float, float, float, float]) -> Image.Image:
    """The part of the picture within (left, top, right, bottom), given as shares of its sides."""
    left, top, right, bottom = box
    width, height = picture.size
    return picture.crop(
        (round(left * width), round(top * height), round(right * width), round(bottom * height))
    )


def poison() -> dict[str, tuple[bytes, str]]:
    """Bytes that are no good picture, by name, each with the reason that they are refused with."""
    whole = jpeg(7)
    return {
        "empty": (b"", "IMAGE_EMPTY"),
        "text": (b"not a picture at all, however long one looks at it", "IMAGE_FORMAT_UNSUPPORTED"),
        "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "IMAGE_FORMAT_UNSUPPORTED"),
        "truncated": (whole[: len(whole) // 2], "IMAGE_UNREADABLE"),
        "huge canvas": (_claiming(200_000, 200_000), "IMAGE_TOO_LARGE"),
    }


def _claiming(width: int, height: int) -> bytes:
    """A PNG of a few pixels whose header claims another size."""
    honest = png(7, 16, 16)
    header = b"IHDR" + struct.pack(">II", width, height) + honest[24:29]
    return honest[:12] + header + struct.pack(">I", zlib.crc32(header)) + honest[33:]

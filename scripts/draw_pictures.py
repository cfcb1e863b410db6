"""Draws pictures to search in where there are none: motifs of shapes and textures, each in several variants.

The variants of a motif differ as photos of one thing do: moved, scaled, turned, lit differently, noisy.
"""

import argparse
import colorsys
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance

SIDE_PX = 240
VARIANTS = 6
Colour = tuple[int, int, int]
Painter = Callable[[ImageDraw.ImageDraw, "Motif"], None]


@dataclass(frozen=True, slots=True)
class Motif:
    """What a picture shows; `spacing` and `size` are in pixels, `angle` in degrees."""

    painter: str
    ground: Colour
    ink: Colour
    second_ink: Colour
    size: float
    spacing: float
    angle: float
    seed: int


def draw_pictures(directory: Path, count: int, seed: int) -> None:
    """Writes about `count` JPEGs, named by motif and variant; the same seed draws the same pictures."""
    directory.mkdir(parents=True, exist_ok=True)
    chance = random.Random(seed)  # noqa: S311  # pictures, no secrets
    painters = sorted(PAINTERS)
    for number in range(max(1, count // VARIANTS)):
        motif = new_motif(chance, painters[number % len(painters)])
        for variant in range(VARIANTS):
            picture = drawn(varied(motif, chance), chance)
            picture.save(directory / f"{motif.painter}-{number:03}-{variant}.jpg", quality=88)


def new_motif(chance: random.Random, painter: str) -> Motif:
    """A motif with colours that stand out from each other."""
    hue = chance.random()
    ground = colour(hue, chance.uniform(0.1, 0.5), chance.uniform(0.75, 1))
    ink = colour(hue + chance.uniform(0.25, 0.75), chance.uniform(0.5, 1), chance.uniform(0.3, 0.8))
    second = colour(chance.random(), chance.uniform(0.4, 1), chance.uniform(0.2, 0.9))
    size, spacing = chance.uniform(24, 80), chance.uniform(18, 60)
    return Motif(painter, ground, ink, second, size, spacing, chance.uniform(0, 180), chance.getrandbits(32))


def varied(motif: Motif, chance: random.Random) -> Motif:
    """The same motif, as another shot of it."""
    return replace(
        motif,
        size=motif.size * chance.uniform(0.92, 1.08),
        spacing=motif.spacing * chance.uniform(0.95, 1.05),
        angle=motif.angle + chance.uniform(-6, 6),
    )


def colour(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


def drawn(motif: Motif, chance: random.Random) -> Image.Image:
    """The motif on a canvas, turned, cut to size, lit and with a camera's noise."""
    canvas = Image.new("RGB", (2 * SIDE_PX, 2 * SIDE_PX), motif.ground)
    PAINTERS[motif.painter](ImageDraw.Draw(canvas), motif)
    turned = canvas.rotate(motif.angle, Image.Resampling.BICUBIC, fillcolor=motif.ground)
    left, top = (SIDE_PX // 2 + chance.randint(-8, 8) for _ in range(2))
    picture = turned.crop((left, top, left + SIDE_PX, top + SIDE_PX))
    lit = ImageEnhance.Brightness(picture).enhance(chance.uniform(0.85, 1.1))
    noise = np.random.default_rng(chance.getrandbits(32)).normal(0, 4, (SIDE_PX, SIDE_PX, 1))
    return Image.fromarray(np.clip(np.asarray(lit) + noise, 0, 255).astype(np.uint8))


def stripes(draw: ImageDraw.ImageDraw, motif: Motif) -> None:
    for number, x in enumerate(np.arange(0, 2 * SIDE_PX, motif.spacing)):
        ink = motif.second_ink if number % 3 == 0 else motif.ink
        draw.rectangle((x, 0, x + motif.spacing / 2, 2 * SIDE_PX), fill=ink)


def dots(draw: ImageDraw.ImageDraw, motif: Motif) -> None:
    radius = motif.spacing / 3
    for x in np.arange(0, 2 * SIDE_PX, motif.spacing):
        for y in np.arange(0, 2 * SIDE_PX, motif.spacing):
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=motif.ink)


def rings(draw: ImageDraw.ImageDraw, motif: Motif) -> None:
    for number, radius in enumerate(np.arange(SIDE_PX, 0, -motif.spacing)):
        box = (SIDE_PX - radius, SIDE_PX - radius, SIDE_PX + radius, SIDE_PX + radius)
        draw.ellipse(box, fill=(motif.ink, motif.second_ink, motif.ground)[number % 3])


def checks(draw: ImageDraw.ImageDraw, motif: Motif) -> None:
    for column, x in enumerate(np.arange(0, 2 * SIDE_PX, motif.size)):
        for row, y in enumerate(np.arange(0, 2 * SIDE_PX, motif.size)):
            if (column + row) % 2:
                draw.rectangle((x, y, x + motif.size, y + motif.size), fill=motif.ink)


def star(draw: ImageDraw.ImageDraw, motif: Motif) -> None:
    points = 4 + motif.seed % 6
    for ink, scale in ((motif.ink, 1.5), (motif.second_ink, 0.7)):
        corners = [
            _around(motif.size * scale * (1 if corner % 2 else 0.45), corner / (2 * points))
            for corner in range(2 * points)
        ]
        draw.polygon(corners, fill=ink)


def blocks(draw: ImageDraw.ImageDraw, motif: Motif) -> None:
    chance = random.Random(motif.seed)  # noqa: S311
    for number in range(12):
        x, y = (SIDE_PX + chance.uniform(-1, 1) * SIDE_PX / 2 for _ in range(2))
        width, height = (motif.size * chance.uniform(0.4, 1.4) for _ in range(2))
        draw.rectangle((x, y, x + width, y + height), fill=(motif.ink, motif.second_ink)[number % 2])


def waves(draw: ImageDraw.ImageDraw, motif: Motif) -> None:
    for start in np.arange(0, 2 * SIDE_PX, motif.spacing):
        line = [(x, start + motif.size / 3 * math.sin(x / motif.size * 3)) for x in range(0, 2 * SIDE_PX, 4)]
        draw.line(line, fill=motif.ink, width=round(motif.spacing / 4), joint="curve")


def _around(radius: float, turn: float) -> tuple[float, float]:
    return (
        SIDE_PX + radius * math.cos(2 * math.pi * turn),
        SIDE_PX + radius * math.sin(2 * math.pi * turn),
    )


PAINTERS: dict[str, Painter] = {
    "blocks": blocks,
    "checks": checks,
    "dots": dots,
    "rings": rings,
    "star": star,
    "stripes": stripes,
    "waves": waves,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--count", type=int, default=420)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    draw_pictures(arguments.directory, arguments.count, arguments.seed)


if __name__ == "__main__":
    main()

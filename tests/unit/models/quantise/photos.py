"""Pictures in classes, drawn for the tests: stripes of a direction and a colour for each class."""

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = 6


def draw_classes(folder: Path, each: int = 6, side: int = 40) -> Path:
    """`folder` with a directory of PNG files for each class, and a file that is no picture."""
    lots = np.random.default_rng(0)
    across, down = np.meshgrid(np.arange(side), np.arange(side))
    for number in range(CLASSES):
        place = folder / f"class-{number}"
        place.mkdir(parents=True)
        wave = np.sin((across * np.cos(number) + down * np.sin(number)) * (0.3 + 0.1 * number))
        colour = lots.uniform(60, 190, 3)
        for copy in range(each):
            noisy = colour + 50 * wave[..., None] + lots.normal(0, 12, (side, side, 3))
            Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(place / f"{copy}.png")
    (folder / "class-0" / "notes.txt").write_text("no picture")
    return folder

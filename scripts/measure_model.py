"""Prints how well a model finds pictures: mAP, precision at 1, crops found again, milliseconds per picture.

    PYTHONPATH=service python scripts/measure_model.py MODEL_FOLDER GROCERY_FOLDER [--split val|test]

Queries are the split's photos, the gallery the training photos of the Grocery Store dataset; relevant is the
same fine class. A crop is the central 60 % of each side (36 % of the area) of every fifth photo of the split;
it is found if its photo is among the first 1 or 3 of the whole split.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from soutu.adapters.inference.session import ModelSession
from soutu.domain.cards import CARD_FILE, card_from_text, embedding_model
from soutu.domain.embedding import Vectors
from soutu.domain.model import InputSpec
from soutu.evaluation.metrics import judged_ranking, mean_average_precision, precision_at

EVERY, CROP = 5, 0.6


@dataclass(frozen=True, slots=True)
class Photos:
    """Paths and fine classes, shape (photos,)."""

    paths: list[Path]
    labels: NDArray[np.int64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("grocery", type=Path)
    parser.add_argument("--split", choices=["val", "test"], default="test")
    given = parser.parse_args()
    card = embedding_model(card_from_text((given.model / CARD_FILE).read_text(encoding="utf-8")))
    session = ModelSession(given.model / card.artefact, card)
    gallery, queries = photos(given.grocery, "train"), photos(given.grocery, given.split)
    stored, found = embedded(session, gallery.paths, card.input), embedded(session, queries.paths, card.input)
    print(f"{card.ref}: {card.dimension} dimensions, {given.split} -> train")
    print_retrieval(found @ stored.T, queries.labels, gallery.labels)
    print_crops(embedded(session, queries.paths[::EVERY], card.input, CROP) @ found.T)
    print(f"  one picture, one thread: {milliseconds(session, card.input):.2f} ms")


def photos(root: Path, split: str) -> Photos:
    lines = (root / f"{split}.txt").read_text(encoding="utf-8").split("\n")
    rows = [line.split(", ") for line in lines if line]
    return Photos([root / row[0] for row in rows], np.array([int(row[1]) for row in rows], np.int64))


def embedded(session: ModelSession, paths: list[Path], spec: InputSpec, crop: float = 1.0) -> Vectors:
    """The photos' unit vectors, their central `crop` of each side only."""
    return np.concatenate([session.run(fitted(path, spec, crop)) for path in paths])


def fitted(path: Path, spec: InputSpec, crop: float) -> NDArray[np.uint8]:
    """One photo as uint8 (1, height, width, 3): centre square of the crop, resized by PIL, bilinear."""
    with Image.open(path) as photo:
        width, height = (side * crop for side in photo.size)
        half = min(width, height) / 2
        middle = (photo.width / 2, photo.height / 2)
        box = (middle[0] - half, middle[1] - half, middle[0] + half, middle[1] + half)
        small = photo.convert("RGB").resize((spec.width, spec.height), Image.Resampling.BILINEAR, box)
    return np.asarray(small, np.uint8)[None]


def print_retrieval(
    scores: NDArray[np.float32], query_labels: NDArray[np.int64], item_labels: NDArray[np.int64]
) -> None:
    judged = judged_ranking(scores, query_labels, item_labels)
    relevant = (query_labels[:, None] == item_labels).sum(axis=1)
    print(f"  mAP {100 * mean_average_precision(judged, relevant):.1f} %", end=", ")
    print(f"precision@1 {100 * precision_at(judged, 1).mean():.1f} %", end=", ")
    print(f"precision@5 {100 * precision_at(judged, 5).mean():.1f} %")


def print_crops(scores: NDArray[np.float32]) -> None:
    own = scores[np.arange(len(scores)), EVERY * np.arange(len(scores))]
    better = (scores > own[:, None]).sum(axis=1)
    first, third = (100 * (better < rank).mean() for rank in (1, 3))
    print(f"  crops of {CROP:.0%} found: first {first:.1f} %, among three {third:.1f} %")


def milliseconds(session: ModelSession, spec: InputSpec, runs: int = 100) -> float:
    """The median time of a run with one picture."""
    pixels = np.random.default_rng(0).integers(0, 256, (1, spec.height, spec.width, 3), np.uint8)
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        session.run(pixels)
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))


if __name__ == "__main__":
    main()

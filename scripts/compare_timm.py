"""Prints how often timm itself, and Soutu's network with Soutu's pixels, name what is on photos.

    PYTHONPATH=service python scripts/compare_timm.py WEIGHTS PHOTOS [--most N]

WEIGHTS is a vit_tiny_patch16_224 in safetensors; PHOTOS a directory with one folder per class of imagenette,
named by its id in WordNet. It needs the extra `train`, and timm, with the torchvision that it imports.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from soutu.imaging.decode import decode
from soutu.imaging.job import DecodeJob
from soutu.imaging.limits import DecodeLimits
from soutu.models.pooling import Pooling
from soutu.models.zoo.shelf import zoo_entry

# The ten classes of imagenette: WordNet's ids, and their places among ImageNet's thousand.
IMAGENETTE = {
    "n01440764": 0,
    "n02102040": 217,
    "n02979186": 482,
    "n03000684": 491,
    "n03028079": 497,
    "n03394916": 566,
    "n03417042": 569,
    "n03425413": 571,
    "n03445777": 574,
    "n03888257": 701,
}
_BATCH = 50


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--most", type=int, default=None, help="of each class; all if left out")
    given = parser.parse_args()
    photos = {name: sorted((given.photos / name).iterdir())[: given.most] for name in IMAGENETTE}
    paths = [path for each in photos.values() for path in each]
    classes = np.repeat(list(IMAGENETTE.values()), [len(each) for each in photos.values()])
    ours, same, theirs = answers(given.weights, paths)
    most = np.abs(ours - same).max()
    print(f"{len(paths)} photos; on the same pixels, logits differ by {most:.1e} at the most")
    print_right("Soutu", ours, classes)
    print_right("timm", theirs, classes)


def answers(weights: Path, paths: Sequence[Path]) -> Sequence[NDArray[np.float32]]:
    """Logits (photos, 1000): of Soutu, of timm's network on Soutu's pixels, of timm by itself."""
    import timm
    import torch
    from timm.data import create_transform, resolve_model_data_config

    from soutu.models.export.embedding import ImageTower
    from soutu.models.load.network import load_network
    from soutu.models.load.weights import read_weights

    torch.set_grad_enabled(False)
    entry, stored = zoo_entry("vit-tiny-timm"), read_weights(weights)
    tower = ImageTower(load_network(entry, weights), entry, Pooling.parse("cls"))
    network = timm.create_model("vit_tiny_patch16_224").eval()
    network.load_state_dict(stored)
    transform = create_transform(**resolve_model_data_config(network))
    rows = []
    for start in range(0, len(paths), _BATCH):
        batch = paths[start : start + _BATCH]
        job = DecodeJob(input=entry.input)
        fitted = [decode(path.read_bytes(), job, DecodeLimits()).pixels for path in batch]
        pixels = torch.from_numpy(np.stack([each for each in fitted if each is not None]))
        ours = tower.features(pixels)[:, 0] @ stored["head.weight"].T + stored["head.bias"]
        same = network((pixels.permute(0, 3, 1, 2) / 255 - 0.5) / 0.5)
        theirs = network(torch.stack([transform(Image.open(path).convert("RGB")) for path in batch]))
        rows.append([each.numpy() for each in (ours, same, theirs)])
    return [np.concatenate(each) for each in zip(*rows, strict=True)]


def print_right(name: str, logits: NDArray[np.float32], classes: NDArray[np.int64]) -> None:
    places = np.array(list(IMAGENETTE.values()))
    right = logits.argmax(axis=1) == classes
    among_ten = places[logits[:, places].argmax(axis=1)] == classes
    print(f"{name}: of the thousand {right.mean():.3f}, of the ten {among_ten.mean():.3f}; by class")
    print(
        "  "
        + ", ".join(
            f"{wordnet} {right[classes == place].mean():.2f}" for wordnet, place in IMAGENETTE.items()
        )
    )


if __name__ == "__main__":
    main()

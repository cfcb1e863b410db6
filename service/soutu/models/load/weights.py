"""Reads weights from safetensors. A pickle runs code when it is read, so none is ever opened."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from soutu.domain.cards import invalid_model

WEIGHTS_FILE = "model.safetensors"
_INDEX_FILE = "model.safetensors.index.json"
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


def weights_folder(path: Path) -> Path:
    """The folder of weights at `path`; MODEL_INVALID where there are none in safetensors.

    A folder with nothing but a pickle is refused by saying so.
    """
    if not path.is_dir():
        raise invalid_model(f"{path.name} is no folder with {WEIGHTS_FILE} and config.json.")
    if (path / WEIGHTS_FILE).is_file() or (path / _INDEX_FILE).is_file():
        return path
    pickles = [each.name for each in sorted(path.iterdir()) if each.suffix in _PICKLES]
    raise refused_pickle(pickles[0]) if pickles else invalid_model(f"{path.name} has no {WEIGHTS_FILE}.")


def read_weights(path: Path) -> Mapping[str, torch.Tensor]:
    """The tensors of a safetensors file, as float32; MODEL_INVALID for any other file."""
    if path.suffix in _PICKLES:
        raise refused_pickle(path.name)
    try:
        with safe_open(path, framework="pt") as stored:
            return {name: stored.get_tensor(name).to(torch.float32) for name in stored.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise invalid_model(f"{path.name} cannot be read as safetensors.") from error


def refused_pickle(name: str) -> Exception:
    """The error for weights that can only be read by running what is in them."""
    return invalid_model(
        f"{name} is a pickle, which runs code when it is read. Take a revision that has {WEIGHTS_FILE}, or "
        "convert it on a machine that you can lose."
    )

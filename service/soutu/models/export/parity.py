"""An artefact in ONNX Runtime against its network in PyTorch, computed in float64."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from soutu.domain.cards import invalid_model
from soutu.domain.model import InputSpec
from soutu.models.pictures import Pixels, batches

LEAST_COSINE = 0.99999
_RANDOM = 8


@dataclass(frozen=True, slots=True)
class Parity:
    """The least cosine between artefact and PyTorch, and over how many random and real pictures."""

    cosine: float
    random: int
    real: int


def compared(artefact: Path, tower: torch.nn.Module, spec: InputSpec, pictures: Pixels | None) -> Parity:
    """How near they are on noise and on `pictures`; MODEL_INVALID where a cosine is below 0.99999.

    `tower` is float64 afterwards: a second copy of its weights would be one too many.
    """
    noise = _noise(spec)
    pixels = noise if pictures is None else np.concatenate([noise, pictures])
    found = _run(artefact, pixels)
    expected = _in_float64(tower, pixels)
    return Parity(checked_cosine(found, expected), len(noise), len(pixels) - len(noise))


def checked_cosine(found: NDArray[np.float32], expected: NDArray[np.float64]) -> float:
    """The least cosine of two lists of unit vectors; MODEL_INVALID below 0.99999."""
    cosine = float((found * expected).sum(axis=1).min())
    if not cosine >= LEAST_COSINE:
        sentence = f"The artefact differs from PyTorch: the cosine is {cosine:.6f}, below {LEAST_COSINE}."
        raise invalid_model(sentence)
    return cosine


def _noise(spec: InputSpec) -> Pixels:
    """Pictures of noise: fine and coarse, bright and dark."""
    lots = np.random.default_rng(0)
    pictures = []
    for number in range(_RANDOM):
        grain, most = 2 ** (number % 4), 256 >> (number // 4)
        small = lots.integers(0, most, (-(-spec.height // grain), -(-spec.width // grain), 3), np.uint8)
        large = small.repeat(grain, axis=0).repeat(grain, axis=1)
        pictures.append(large[: spec.height, : spec.width])
    return np.stack(pictures)


def _run(artefact: Path, pixels: Pixels) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(artefact, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(["embedding"], {"pixels": batch})[0] for batch in batches(pixels)])


def _in_float64(tower: torch.nn.Module, pixels: Pixels) -> NDArray[np.float64]:
    precise = tower.double()
    with torch.no_grad():
        answers = [precise(torch.from_numpy(batch)) for batch in batches(pixels)]
    return np.asarray(torch.cat(answers).numpy(), np.float64)

"""An artefact in ONNX Runtime against its network in PyTorch, computed in float64."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

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


@dataclass(frozen=True, slots=True)
class Reference:
    """Inputs under the name that the artefact has for them, the first `random` of them noise, and PyTorch's
    unit vectors."""

    name: str
    inputs: NDArray[Any]
    vectors: NDArray[np.float64]
    random: int


def picture_reference(tower: nn.Module, spec: InputSpec, pictures: Pixels | None) -> Reference:
    """What `tower` answers in float64 to noise and to `pictures`."""
    drawn = noise(spec)
    pixels = drawn if pictures is None else np.concatenate([drawn, pictures])
    return Reference("pixels", pixels, _in_float64(tower, pixels), len(drawn))


def text_reference(tower: nn.Module, tokens: NDArray[np.int64]) -> Reference:
    """What `tower` answers in float64 to texts, int64 (n, context)."""
    return Reference("tokens", tokens, _in_float64(tower, tokens), 0)


def compared(artefact: Path, reference: Reference) -> Parity:
    """How near the artefact is to PyTorch; MODEL_INVALID where a cosine is below 0.99999."""
    session = onnxruntime.InferenceSession(artefact, providers=["CPUExecutionProvider"])
    found = [session.run(["embedding"], {reference.name: batch})[0] for batch in batches(reference.inputs)]
    cosine = checked_cosine(np.concatenate(found), reference.vectors)
    return Parity(cosine, reference.random, len(reference.inputs) - reference.random)


def checked_cosine(found: NDArray[np.float32], expected: NDArray[np.float64]) -> float:
    """The least cosine of two lists of unit vectors; MODEL_INVALID below 0.99999."""
    cosine = float((found * expected).sum(axis=1).min())
    if not cosine >= LEAST_COSINE:
        sentence = f"The artefact differs from PyTorch: the cosine is {cosine:.6f}, below {LEAST_COSINE}."
        raise invalid_model(sentence)
    return cosine


def noise(spec: InputSpec) -> Pixels:
    """Eight pictures of noise: fine and coarse, bright and dark."""
    lots = np.random.default_rng(0)
    pictures = []
    for number in range(_RANDOM):
        grain, most = 2 ** (number % 4), 256 >> (number // 4)
        small = lots.integers(0, most, (-(-spec.height // grain), -(-spec.width // grain), 3), np.uint8)
        large = small.repeat(grain, axis=0).repeat(grain, axis=1)
        pictures.append(large[: spec.height, : spec.width])
    return np.stack(pictures)


def _in_float64(tower: nn.Module, inputs: NDArray[Any]) -> NDArray[np.float64]:
    with torch.no_grad(), _Float64():
        answers = [tower(torch.from_numpy(batch)) for batch in batches(inputs)]
    return np.asarray(torch.cat(answers).numpy(), np.float64)


class _Float64(TorchFunctionMode):
    """Every function of PyTorch computes in float64: what it takes of float32 is cast for as long as it runs.

    The tower stays as it is, so that no more than one of its weights is in memory in float64.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """The function's answer to the same arguments in float64."""
        if func is functional.embedding:  # the tables are the largest weights, and need no arithmetic
            return func(*args, **(kwargs or {})).double()
        precise, named = tree_map(_precise, (args, dict(kwargs or {})))
        return func(*precise, **named)


def _precise(value: Any) -> Any:
    """A float32 tensor in float64, the type float32 as float64, anything else as it is."""
    if isinstance(value, torch.Tensor) and value.dtype == torch.float32:
        return value.double()
    return torch.float64 if value is torch.float32 else value

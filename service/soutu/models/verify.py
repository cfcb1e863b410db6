"""Proves that an artefact does what its card says, by running it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soutu.domain.cards import invalid_model
from soutu.domain.embedding import Vectors, all_units
from soutu.domain.model import InputSpec, ModelCard, Task, TextTower

_ALIKE = 1e-4  # of two runs of one input, alone and in a batch, the greatest difference of a component
_TRIAL_TOKEN = 1  # a token that every vocabulary has


def check_artefact(path: Path, card: ModelCard) -> None:
    """Runs the artefact on three pictures, and its text tower beside it on three texts; MODEL_INVALID, saying
    what is wrong, unless they fit the card.

    The artefact must take "pixels" uint8 (n, height, width, 3) for any n and return "embedding" float32
    (n, dimension): finite unit vectors, also of a black picture, the same alone as in a batch. The text tower
    must do the same for "tokens" int64 (n, context).
    """
    if card.task is not Task.EMBED_IMAGE:
        raise invalid_model(f"{card.ref} is for {card.task}; only {Task.EMBED_IMAGE} is served yet.")
    _check(path, card, "pixels", _trial_pixels(card.input))
    if card.text:
        _check(path.with_name(card.text.artefact), card, "tokens", _trial_tokens(card.text))


def _check(path: Path, card: ModelCard, name: str, batch: NDArray[Any]) -> None:
    """The artefact at `path` on a batch of three, and on the second of them alone."""
    vectors, single = _run(path, {name: batch}), _run(path, {name: batch[1:2]})
    if vectors.shape != (3, card.dimension) or vectors.dtype != np.float32:
        raise invalid_model(
            f"{path.name} of {card.ref} answers {vectors.dtype} {vectors.shape} to three inputs, "
            f"not float32 (3, {card.dimension})."
        )
    if not all_units(vectors):
        raise invalid_model(f"{path.name} of {card.ref} answers vectors that are not of length one.")
    if np.abs(single - vectors[1:2]).max() > _ALIKE:
        raise invalid_model(f"{path.name} of {card.ref} answers differently alone and in a batch.")


def _trial_pixels(spec: InputSpec) -> NDArray[np.uint8]:
    """Black, noise and a gradient."""
    shape = (spec.height, spec.width, 3)
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    gradient = np.broadcast_to(np.linspace(0, 255, spec.width, dtype=np.uint8)[None, :, None], shape)
    return np.stack([np.zeros(shape, np.uint8), noise, gradient])


def _trial_tokens(tower: TextTower) -> NDArray[np.int64]:
    """Texts of one token, of half the context, and of all of it."""
    tokens = np.full((3, tower.context), tower.pad, np.int64)
    for row, length in enumerate((1, -(-tower.context // 2), tower.context)):
        tokens[row, :length] = _TRIAL_TOKEN
    return tokens


def _run(path: Path, inputs: Mapping[str, NDArray[Any]]) -> Vectors:
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        vectors: Vectors = session.run(["embedding"], dict(inputs))[0]
    except Exception as error:  # ONNX Runtime's errors have no other common class
        sentence = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise invalid_model(f"ONNX Runtime does not run {path.name}: {sentence}") from error
    return vectors

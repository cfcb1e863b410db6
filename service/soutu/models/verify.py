"""Proves that an artefact does what its card says, by running it."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from soutu.domain.cards import invalid_model
from soutu.domain.embedding import all_units
from soutu.domain.model import InputSpec, ModelCard, Task

_ALIKE = 1e-4  # of two runs of one picture, alone and in a batch, the greatest difference of a component


def check_artefact(path: Path, card: ModelCard) -> None:
    """Runs the artefact on three pictures; MODEL_INVALID, saying what is wrong, unless it fits its card.

    It must take "pixels" uint8 (n, height, width, 3) for any n and return "embedding" float32 (n, dimension):
    finite unit vectors, also of a black picture, the same alone as in a batch.
    """
    if card.task is not Task.EMBED_IMAGE:
        raise invalid_model(f"{card.ref} is for {card.task}; only {Task.EMBED_IMAGE} is served yet.")
    vectors = _run(path, _trial_pixels(card.input))
    single = _run(path, _trial_pixels(card.input)[1:2])
    if vectors.shape != (3, card.dimension) or vectors.dtype != np.float32:
        raise invalid_model(
            f"The artefact of {card.ref} answers {vectors.dtype} {vectors.shape} to three pictures, "
            f"not float32 (3, {card.dimension})."
        )
    if not all_units(vectors):
        raise invalid_model(f"The artefact of {card.ref} answers vectors that are not of length one.")
    if np.abs(single - vectors[1:2]).max() > _ALIKE:
        raise invalid_model(f"The artefact of {card.ref} answers differently alone and in a batch.")


def _trial_pixels(spec: InputSpec) -> NDArray[np.uint8]:
    """Black, noise and a gradient."""
    shape = (spec.height, spec.width, 3)
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    gradient = np.broadcast_to(np.linspace(0, 255, spec.width, dtype=np.uint8)[None, :, None], shape)
    return np.stack([np.zeros(shape, np.uint8), noise, gradient])


def _run(path: Path, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        vectors: NDArray[np.float32] = session.run(["embedding"], {"pixels": pixels})[0]
    except Exception as error:  # ONNX Runtime's errors have no other common class
        sentence = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise invalid_model(f"ONNX Runtime does not run the artefact: {sentence}") from error
    return vectors

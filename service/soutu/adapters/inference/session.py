"""One model, loaded into ONNX Runtime, run by one thread at a time per call."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from soutu.domain.embedding import Vectors, all_units
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.model import ModelCard


class ModelSession:
    """A model ready to run. `run` may be called from several threads at once: each works by itself."""

    def __init__(self, path: Path, card: ModelCard) -> None:
        """Loads the artefact (blocking); INFERENCE_UNAVAILABLE if ONNX Runtime refuses it."""
        self._card = card
        try:
            self._session: Any = onnxruntime.InferenceSession(
                path, _options(), providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's errors have no other common class
            raise _unavailable(card, "cannot be loaded") from error

    def check(self, pixels: NDArray[np.uint8]) -> None:
        """ValueError unless `pixels` are uint8 (n, height, width, 3) of the model's size: a fault of ours."""
        wanted = (self._card.input.height, self._card.input.width, 3)
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1:] != wanted:
            raise ValueError(
                f"{self._card.ref} takes uint8 (n, {', '.join(map(str, wanted))}), "
                f"not {pixels.dtype} {pixels.shape}"
            )

    def run(self, pixels: NDArray[np.uint8]) -> Vectors:
        """Unit vectors float32 (n, dimension), blocking; INFERENCE_UNAVAILABLE if the model misbehaves."""
        try:
            vectors: Vectors = self._session.run(["embedding"], {"pixels": pixels})[0]
        except Exception as error:  # as above
            raise _unavailable(self._card, "cannot be run") from error
        if vectors.shape != (len(pixels), self._card.dimension) or not all_units(vectors):
            raise _unavailable(self._card, "does not answer with unit vectors of its dimension")
        return vectors

    def nothing(self) -> Vectors:
        """The answer to no pictures: shape (0, dimension)."""
        return np.empty((0, self._card.dimension), np.float32)


def _options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # The arena keeps the memory of the largest run, yet costs least: 160 MB against 590 MB without it, for
    # MobileNetV2 in two threads and batches of 4, where malloc keeps far more for each thread.
    options.enable_cpu_mem_arena = True
    options.log_severity_level = 4  # its failures reach us as exceptions
    return options


def _unavailable(card: ModelCard, what: str) -> SoutuError:
    sentence = f"The model {card.ref} {what}; `soutu doctor` says more."
    return SoutuError(Reason.INFERENCE_UNAVAILABLE, sentence, model=card.ref)

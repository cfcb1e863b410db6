"""One model, loaded into ONNX Runtime, run by one thread at a time per call."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from soutu.adapters.inference.checks import (
    check_pixels,
    check_vectors,
    inference_unavailable,
    no_vectors,
)
from soutu.domain.embedding import Vectors
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
            raise inference_unavailable(card, "cannot be loaded") from error

    def check(self, pixels: NDArray[np.uint8]) -> None:
        """ValueError unless `pixels` are what the model takes."""
        check_pixels(self._card, pixels)

    def run(self, pixels: NDArray[np.uint8]) -> Vectors:
        """Unit vectors float32 (n, dimension), blocking; INFERENCE_UNAVAILABLE if the model misbehaves."""
        try:
            vectors: Vectors = self._session.run(["embedding"], {"pixels": pixels})[0]
        except Exception as error:  # as above
            raise inference_unavailable(self._card, "cannot be run") from error
        check_vectors(self._card, vectors, len(pixels))
        return vectors

    def nothing(self) -> Vectors:
        """The answer to no pictures: shape (0, dimension)."""
        return no_vectors(self._card)


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

"""One tower of a model, loaded into ONNX Runtime, run by one thread at a time per call."""

from pathlib import Path
from typing import Any

import onnxruntime
from numpy.typing import NDArray

from soutu.adapters.inference.checks import (
    check_input,
    check_vectors,
    inference_unavailable,
    no_vectors,
)
from soutu.adapters.inference.towers import Tower
from soutu.domain.embedding import Vectors
from soutu.domain.model import ModelCard


class ModelSession:
    """A tower ready to run. `run` may be called from several threads at once: each works by itself."""

    def __init__(self, path: Path, card: ModelCard, tower: Tower = Tower.IMAGE) -> None:
        """Loads the artefact (blocking); INFERENCE_UNAVAILABLE if ONNX Runtime refuses it."""
        self._card = card
        self._tower = tower
        try:
            self._session: Any = onnxruntime.InferenceSession(
                path, _options(), providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's errors have no other common class
            raise inference_unavailable(card, "cannot be loaded") from error

    def check(self, values: NDArray[Any]) -> None:
        """ValueError unless `values` are what the tower takes."""
        check_input(self._card, self._tower, values)

    def run(self, values: NDArray[Any]) -> Vectors:
        """Unit vectors float32 (n, dimension), blocking; INFERENCE_UNAVAILABLE if the model misbehaves."""
        try:
            vectors: Vectors = self._session.run(["embedding"], {str(self._tower): values})[0]
        except Exception as error:  # as above
            raise inference_unavailable(self._card, "cannot be run") from error
        check_vectors(self._card, vectors, len(values))
        return vectors

    def nothing(self) -> Vectors:
        """The answer to nothing: shape (0, dimension)."""
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

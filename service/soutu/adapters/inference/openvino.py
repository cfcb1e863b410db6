"""Artefacts run by OpenVINO instead of ONNX Runtime: the same ONNX files, often faster on Intel's processors.

It needs the extra `openvino`; only `bootstrap` imports this, where the settings choose it.
"""

import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from soutu.adapters.inference.checks import (
    check_pixels,
    check_vectors,
    inference_unavailable,
    no_vectors,
)
from soutu.domain.embedding import Vectors
from soutu.domain.model import ModelCard


@dataclass(frozen=True, slots=True)
class OpenVino:
    """Opens artefacts for an OnnxEmbedder of `threads` threads.

    With `bfloat16` it computes in that type where the processor has instructions for it. Vectors of networks
    then differ from those in float32 by a cosine of some 0.9999; alone or in a batch, a picture's are the same.
    """

    threads: int
    bfloat16: bool = True

    def __call__(self, path: Path, card: ModelCard) -> "OpenVinoSession":
        """The model, ready to run (blocking); INFERENCE_UNAVAILABLE if OpenVINO refuses it."""
        try:
            compiled = openvino.Core().compile_model(path, "CPU", self._options())
        except Exception as error:  # OpenVINO's errors have no other common class
            raise inference_unavailable(card, "cannot be loaded") from error
        return OpenVinoSession(compiled, card)

    def _options(self) -> dict[str, object]:
        """As many streams as there are callers, each of one thread. OpenVINO starts these threads here, and they
        keep the priority of the thread that they are started by."""
        options: dict[str, object] = {
            "NUM_STREAMS": self.threads,
            "INFERENCE_NUM_THREADS": self.threads,
            "ENABLE_CPU_PINNING": False,  # the decoders and the event loop share the cores
        }
        return options if self.bfloat16 else {**options, "INFERENCE_PRECISION_HINT": "f32"}


class OpenVinoSession:
    """A model ready to run. `run` may be called from several threads at once: each works by itself."""

    def __init__(self, compiled: Any, card: ModelCard) -> None:
        self._compiled = compiled
        self._card = card
        self._resting: deque[Any] = deque()  # requests that no thread is running; as many as ever ran at a time
        self._lock = threading.Lock()

    def check(self, pixels: NDArray[np.uint8]) -> None:
        """ValueError unless `pixels` are what the model takes."""
        check_pixels(self._card, pixels)

    def run(self, pixels: NDArray[np.uint8]) -> Vectors:
        """Unit vectors float32 (n, dimension), blocking; INFERENCE_UNAVAILABLE if the model misbehaves."""
        request = self._request()
        try:
            answer = request.infer({"pixels": np.ascontiguousarray(pixels)})
            vectors: Vectors = np.array(answer["embedding"])  # the request's own memory is used again
        except Exception as error:  # as above
            raise inference_unavailable(self._card, "cannot be run") from error
        self._resting.append(request)
        check_vectors(self._card, vectors, len(pixels))
        return vectors

    def nothing(self) -> Vectors:
        """The answer to no pictures: shape (0, dimension)."""
        return no_vectors(self._card)

    def _request(self) -> Any:
        with self._lock:
            return self._resting.pop() if self._resting else self._compiled.create_infer_request()

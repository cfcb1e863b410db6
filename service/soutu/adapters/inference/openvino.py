"""Artefacts run by OpenVINO instead of ONNX Runtime: the same ONNX files, often faster on Intel's processors.

It needs the extra `openvino`; only `bootstrap` imports this, where the settings choose it.
"""

import threading
from collections import deque
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


class OpenVino:
    """Opens artefacts for an OnnxEmbedder of `threads` threads.

    With `bfloat16` it computes in that type where the processor has instructions for it: vectors then differ
    a little from those of ONNX Runtime (docs/decisions/0030-openvino-is-run-once-first.md has cosines).
    """

    def __init__(self, threads: int, bfloat16: bool = True) -> None:
        self._threads = threads
        self._bfloat16 = bfloat16
        self._one_at_a_time = threading.Lock()

    def __call__(self, path: Path, card: ModelCard) -> "OpenVinoSession":
        """The model, ready to run (blocking); INFERENCE_UNAVAILABLE if OpenVINO refuses it.

        It is run once, with no other model: two threads that use OpenVINO's binding for the first time at the
        same moment wait for each other for ever (docs/decisions/0030-openvino-is-run-once-first.md).
        """
        try:
            with self._one_at_a_time:
                compiled = openvino.Core().compile_model(path, "CPU", self._options())
                session = OpenVinoSession(compiled, card)
                session.infer(np.zeros((1, card.input.height, card.input.width, 3), np.uint8))
        except Exception as error:  # OpenVINO's errors have no other common class
            raise inference_unavailable(card, "cannot be loaded") from error
        return session

    def _options(self) -> dict[str, object]:
        """As many streams as there are callers, each of one thread. OpenVINO starts these threads when it
        loads a model, and they keep the priority of the thread that loads."""
        options: dict[str, object] = {
            "NUM_STREAMS": self._threads,
            "INFERENCE_NUM_THREADS": self._threads,
            "ENABLE_CPU_PINNING": False,  # the decoders and the event loop share the cores
        }
        return options if self._bfloat16 else {**options, "INFERENCE_PRECISION_HINT": "f32"}


class OpenVinoSession:
    """A model ready to run. `run` may be called from several threads at once: each works by itself."""

    def __init__(self, compiled: Any, card: ModelCard) -> None:
        self._compiled = compiled
        self._card = card
        self._resting: deque[Any] = (
            deque()
        )  # requests that no thread is running; as many as ever ran at a time
        self._lock = threading.Lock()

    def check(self, pixels: NDArray[np.uint8]) -> None:
        """ValueError unless `pixels` are what the model takes."""
        check_pixels(self._card, pixels)

    def run(self, pixels: NDArray[np.uint8]) -> Vectors:
        """Unit vectors float32 (n, dimension), blocking; INFERENCE_UNAVAILABLE if the model misbehaves."""
        try:
            vectors = self.infer(np.ascontiguousarray(pixels))
        except Exception as error:  # as above
            raise inference_unavailable(self._card, "cannot be run") from error
        check_vectors(self._card, vectors, len(pixels))
        return vectors

    def infer(self, pixels: NDArray[np.uint8]) -> Vectors:
        """What the model answers, whatever that is; OpenVINO's error if it fails."""
        request = self._request()
        vectors: Vectors = np.array(
            request.infer({"pixels": pixels})["embedding"]
        )  # its memory is used again
        self._resting.append(request)
        return vectors

    def nothing(self) -> Vectors:
        """The answer to no pictures: shape (0, dimension)."""
        return no_vectors(self._card)

    def _request(self) -> Any:
        with self._lock:
            return self._resting.pop() if self._resting else self._compiled.create_infer_request()

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
    check_input,
    check_vectors,
    inference_unavailable,
    no_vectors,
)
from soutu.adapters.inference.towers import Tower
from soutu.domain.cards import text_tower
from soutu.domain.embedding import Vectors
from soutu.domain.model import ModelCard


class OpenVino:
    """Opens artefacts for an OnnxEmbedder of `threads` threads.

    With `bfloat16` it computes in that type where the processor has instructions for it: vectors then differ
    a little from those of ONNX Runtime (docs/decisions/0026-openvino-is-run-once-first.md has cosines).
    """

    def __init__(self, threads: int, bfloat16: bool = True) -> None:
        self._threads = threads
        self._bfloat16 = bfloat16
        self._one_at_a_time = threading.Lock()

    def __call__(self, path: Path, card: ModelCard, tower: Tower = Tower.IMAGE) -> "OpenVinoSession":
        """The tower, ready to run (blocking); INFERENCE_UNAVAILABLE if OpenVINO refuses it.

        It is run once, with no other model: two threads that use OpenVINO's binding for the first time at the
        same moment wait for each other for ever (docs/decisions/0026-openvino-is-run-once-first.md).
        """
        try:
            with self._one_at_a_time:
                compiled = openvino.Core().compile_model(path, "CPU", self._options())
                session = OpenVinoSession(compiled, card, tower)
                session.infer(_nothing_much(card, tower))
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
    """A tower ready to run. `run` may be called from several threads at once: each works by itself."""

    def __init__(self, compiled: Any, card: ModelCard, tower: Tower) -> None:
        self._compiled = compiled
        self._card = card
        self._tower = tower
        # Requests that no thread is running; as many as ever ran at a time.
        self._resting: deque[Any] = deque()
        self._lock = threading.Lock()

    def check(self, values: NDArray[Any]) -> None:
        """ValueError unless `values` are what the tower takes."""
        check_input(self._card, self._tower, values)

    def run(self, values: NDArray[Any]) -> Vectors:
        """Unit vectors float32 (n, dimension), blocking; INFERENCE_UNAVAILABLE if the model misbehaves."""
        try:
            vectors = self.infer(np.ascontiguousarray(values))
        except Exception as error:  # as above
            raise inference_unavailable(self._card, "cannot be run") from error
        check_vectors(self._card, vectors, len(values))
        return vectors

    def infer(self, values: NDArray[Any]) -> Vectors:
        """What the tower answers, whatever that is; OpenVINO's error if it fails."""
        request = self._request()
        answer = request.infer({str(self._tower): values})["embedding"]
        vectors: Vectors = np.array(answer)  # a copy: its memory is used again
        self._resting.append(request)
        return vectors

    def nothing(self) -> Vectors:
        """The answer to nothing: shape (0, dimension)."""
        return no_vectors(self._card)

    def _request(self) -> Any:
        with self._lock:
            return self._resting.pop() if self._resting else self._compiled.create_infer_request()


def _nothing_much(card: ModelCard, tower: Tower) -> NDArray[Any]:
    """A black picture, or a text of nothing but padding."""
    if tower is Tower.IMAGE:
        return np.zeros((1, card.input.height, card.input.width, 3), np.uint8)
    text = text_tower(card)
    return np.full((1, text.context), text.pad, np.int64)

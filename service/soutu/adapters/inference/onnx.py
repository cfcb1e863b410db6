"""The Embedder in this process: as many single-threaded runs side by side as there are threads, by ONNX
Runtime or by another engine that reads ONNX.

On a CPU that beats one run over all threads (facts measured for the design: docs/architecture.md).
"""

import asyncio
import math
import os
import sys
import threading
from collections.abc import Callable, Set
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from soutu.adapters.inference.gathering import Gathering
from soutu.adapters.inference.session import ModelSession
from soutu.domain.embedding import Vectors
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.model import ModelCard, ModelRef
from soutu.ports import ModelStore

Argument = TypeVar("Argument")
Answer = TypeVar("Answer")
Pixels = NDArray[np.uint8]

_NICENESS = 5
_LARGEST_CHUNK = 4  # pictures in one run: more are no faster on a CPU, and cost memory


class Session(Protocol):
    """A loaded model; several threads may run it at once."""

    def check(self, pixels: Pixels) -> None:
        """ValueError unless `pixels` are what the model takes."""
        ...

    def run(self, pixels: Pixels) -> Vectors:
        """Unit vectors float32 (n, dimension), blocking; INFERENCE_UNAVAILABLE if the model misbehaves."""
        ...

    def nothing(self) -> Vectors:
        """The answer to no pictures: shape (0, dimension)."""
        ...


Engine = Callable[[Path, ModelCard], Session]
"""Loads an artefact, on one of the embedder's threads; INFERENCE_UNAVAILABLE if it cannot."""


class OnnxEmbedder:
    """Runs the models of a store with an engine. A model is loaded on first use and kept.

    Single pictures that wait at the same time share runs. One batch never has more than `threads` runs in the
    queue, so that a single query waits behind a few pictures, not behind a whole batch. A cancelled call
    starts no further run; one that has begun is left to end, unheard.
    """

    def __init__(self, models: ModelStore, threads: int, engine: Engine = ModelSession) -> None:
        self._models = models
        self._engine = engine
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="inference", initializer=_step_back)
        self._sessions: dict[ModelRef, asyncio.Task[Session]] = {}
        self._gatherings: dict[ModelRef, Gathering] = {}
        self._closed = False

    async def embed(self, model: ModelRef, pixels: Pixels) -> Vectors:
        """Unit vectors, float32 (n, dimension), for uint8 RGB pixels (n, height, width, 3).

        MODEL_NOT_FOUND; MODEL_INVALID; INFERENCE_UNAVAILABLE where the model fails; SHUTTING_DOWN after
        `close`. Pixels of another shape or type are a fault of the caller: ValueError.
        """
        if self._closed:
            raise SoutuError(Reason.SHUTTING_DOWN)
        session = await self._session(model)
        session.check(pixels)
        if len(pixels) == 1:
            return await self._gathering(model, session).embed(pixels)
        chunks = _chunks(pixels, self._threads)
        answers: list[Vectors] = [session.nothing()] * len(chunks)
        await self._in_lanes(session, chunks, answers)
        return np.concatenate([session.nothing(), *answers])

    async def load(self, model: ModelRef) -> None:
        """Reads the artefact into memory; errors as `embed`."""
        if self._closed:
            raise SoutuError(Reason.SHUTTING_DOWN)
        await self._session(model)

    async def unload(self, model: ModelRef) -> None:
        """Lets go of it; runs that have begun end."""
        self._sessions.pop(model, None)
        self._gatherings.pop(model, None)

    async def loaded(self) -> Set[ModelRef]:
        """The models in memory."""
        return {model for model, loading in self._sessions.items() if loading.done()}

    async def ping(self) -> None:
        """Returns: models run here."""

    async def close(self) -> None:
        """Takes no more work, waits for the runs that have begun and lets go of the models."""
        self._closed = True
        await asyncio.to_thread(self._pool.shutdown)
        self._sessions.clear()

    def _gathering(self, model: ModelRef, session: Session) -> Gathering:
        if model not in self._gatherings:
            self._gatherings[model] = Gathering(
                partial(self._on_thread, session.run), self._threads, _LARGEST_CHUNK
            )
        return self._gatherings[model]

    async def _in_lanes(self, session: Session, chunks: list[Pixels], answers: list[Vectors]) -> None:
        """Fills `answers`, in as many lanes as there are threads, each taking the next chunk."""
        places = iter(range(len(chunks)))

        async def lane() -> None:
            for place in places:
                answers[place] = await self._on_thread(session.run, chunks[place])

        try:
            async with asyncio.TaskGroup() as lanes:
                for _ in range(min(self._threads, len(chunks))):
                    lanes.create_task(lane())
        except* SoutuError as failures:
            failure = failures.exceptions[0]
        else:
            return
        raise failure

    async def _session(self, model: ModelRef) -> Session:
        """The loaded model. Callers share one loading, which goes on when one of them is cancelled."""
        if model not in self._sessions:
            loading = asyncio.create_task(self._on_thread(self._load, model))
            self._sessions[model] = loading
            loading.add_done_callback(lambda done: self._forget_failure(model, done))
        return await asyncio.shield(self._sessions[model])

    def _load(self, model: ModelRef) -> Session:
        return self._engine(self._models.artefact(model), self._models.card(str(model)))

    def _forget_failure(self, model: ModelRef, loading: asyncio.Task[Session]) -> None:
        if loading.cancelled() or loading.exception() is not None:
            self._sessions.pop(model, None)  # the next call tries again

    async def _on_thread(self, work: Callable[[Argument], Answer], argument: Argument) -> Answer:
        if self._closed:
            raise SoutuError(Reason.SHUTTING_DOWN)
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, argument)


def _step_back() -> None:
    """This thread leaves the core to the event loop, which all others wait for (Linux knows it by thread)."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def _chunks(pixels: Pixels, threads: int) -> list[Pixels]:
    """The batch in equal small parts, enough of them for every thread to have one."""
    if not len(pixels):
        return []
    size = min(_LARGEST_CHUNK, math.ceil(len(pixels) / threads))
    return [pixels[start : start + size] for start in range(0, len(pixels), size)]

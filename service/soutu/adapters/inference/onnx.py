"""The Embedder in this process: as many single-threaded runs side by side as there are threads, by ONNX
Runtime or by another engine that reads ONNX.

On a CPU that beats one run over all threads (facts measured for the design: docs/architecture.md).
"""

import asyncio
import math
import sys
import threading
from collections.abc import Callable, Set
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from soutu.adapters.inference.gathering import Gathering
from soutu.adapters.inference.session import ModelSession
from soutu.adapters.inference.towers import Tower
from soutu.domain.cards import embedding_model
from soutu.domain.embedding import Vectors
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.model import ModelCard, ModelRef
from soutu.observe.precedence import step_back
from soutu.ports import ModelStore

Argument = TypeVar("Argument")
Answer = TypeVar("Answer")
Batch = NDArray[Any]  # pixels (n, height, width, 3) or tokens (n, context)
_Place = tuple[ModelRef, Tower]

_NICENESS = 5
_LARGEST_CHUNK = 4  # pictures or texts in one run: more are no faster on a CPU, and cost memory


class Session(Protocol):
    """A loaded tower of a model; several threads may run it at once."""

    def check(self, values: Batch) -> None:
        """ValueError unless `values` are what the tower takes."""
        ...

    def run(self, values: Batch) -> Vectors:
        """Unit vectors float32 (n, dimension), blocking; INFERENCE_UNAVAILABLE if the model misbehaves."""
        ...

    def nothing(self) -> Vectors:
        """The answer to nothing: shape (0, dimension)."""
        ...


Engine = Callable[[Path, ModelCard, Tower], Session]
"""Loads an artefact, on one of the embedder's threads; INFERENCE_UNAVAILABLE if it cannot."""


class OnnxEmbedder:
    """Runs the models of a store with an engine. A tower of a model is loaded on first use and kept.

    Single pictures, or texts, that wait at the same time share runs. One batch never has more than `threads`
    runs in the queue, so that a single query waits behind a few pictures, not behind a whole batch. A
    cancelled call starts no further run; one that has begun is left to end, unheard.
    """

    def __init__(self, models: ModelStore, threads: int, engine: Engine = ModelSession) -> None:
        self._models = models
        self._engine = engine
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="inference", initializer=_step_back)
        self._sessions: dict[_Place, asyncio.Task[Session]] = {}
        self._gatherings: dict[_Place, Gathering] = {}
        self._closed = False

    async def embed(self, model: ModelRef, pixels: NDArray[np.uint8]) -> Vectors:
        """Unit vectors, float32 (n, dimension), for uint8 RGB pixels (n, height, width, 3).

        MODEL_NOT_FOUND; MODEL_NOT_EMBEDDING; MODEL_INVALID; INFERENCE_UNAVAILABLE where the model fails;
        SHUTTING_DOWN after `close`. Pixels of another shape or type are a fault of the caller: ValueError.
        """
        return await self._embed((model, Tower.IMAGE), pixels)

    async def embed_texts(self, model: ModelRef, tokens: NDArray[np.int64]) -> Vectors:
        """Unit vectors, float32 (n, dimension), for token ids (n, context); errors as `embed`, and
        TEXT_UNSUPPORTED."""
        return await self._embed((model, Tower.TEXT), tokens)

    async def _embed(self, place: _Place, batch: Batch) -> Vectors:
        if self._closed:
            raise SoutuError(Reason.SHUTTING_DOWN)
        session = await self._session(place)
        session.check(batch)
        if len(batch) == 1:
            return await self._gathering(place, session).embed(batch)
        chunks = _chunks(batch, self._threads)
        answers: list[Vectors] = [session.nothing()] * len(chunks)
        await self._in_lanes(session, chunks, answers)
        return np.concatenate([session.nothing(), *answers])

    async def load(self, model: ModelRef) -> None:
        """Reads its artefacts into memory; errors as `embed`."""
        if self._closed:
            raise SoutuError(Reason.SHUTTING_DOWN)
        await self._session((model, Tower.IMAGE))
        if self._models.card(str(model)).text:
            await self._session((model, Tower.TEXT))

    async def unload(self, model: ModelRef) -> None:
        """Lets go of it; runs that have begun end."""
        for tower in Tower:
            self._sessions.pop((model, tower), None)
            self._gatherings.pop((model, tower), None)

    async def loaded(self) -> Set[ModelRef]:
        """The models in memory, with or without their text towers."""
        return {
            model
            for (model, tower), loading in self._sessions.items()
            if tower is Tower.IMAGE and loading.done()
        }

    async def ping(self) -> None:
        """Returns: models run here."""

    async def close(self) -> None:
        """Takes no more work, waits for the runs that have begun and lets go of the models."""
        self._closed = True
        await asyncio.to_thread(self._pool.shutdown)
        self._sessions.clear()

    def _gathering(self, place: _Place, session: Session) -> Gathering:
        if place not in self._gatherings:
            self._gatherings[place] = Gathering(
                partial(self._on_thread, session.run), self._threads, _LARGEST_CHUNK
            )
        return self._gatherings[place]

    async def _in_lanes(self, session: Session, chunks: list[Batch], answers: list[Vectors]) -> None:
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

    async def _session(self, place: _Place) -> Session:
        """The loaded tower. Callers share one loading, which goes on when one of them is cancelled."""
        if place not in self._sessions:
            loading = asyncio.create_task(self._on_thread(self._load, place))
            self._sessions[place] = loading
            loading.add_done_callback(lambda done: self._forget_failure(place, done))
        return await asyncio.shield(self._sessions[place])

    def _load(self, place: _Place) -> Session:
        model, tower = place
        card = embedding_model(self._models.card(str(model)))
        path = self._models.artefact if tower is Tower.IMAGE else self._models.text_artefact
        return self._engine(path(model), card, tower)

    def _forget_failure(self, place: _Place, loading: asyncio.Task[Session]) -> None:
        if loading.cancelled() or loading.exception() is not None:
            self._sessions.pop(place, None)  # the next call tries again

    async def _on_thread(self, work: Callable[[Argument], Answer], argument: Argument) -> Answer:
        if self._closed:
            raise SoutuError(Reason.SHUTTING_DOWN)
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, argument)


def _step_back() -> None:
    """This thread leaves the core to the event loop (Linux knows a niceness by thread)."""
    if sys.platform == "linux":
        step_back(threading.get_native_id(), _NICENESS)


def _chunks(batch: Batch, threads: int) -> list[Batch]:
    """The batch in equal small parts, enough of them for every thread to have one."""
    if not len(batch):
        return []
    size = min(_LARGEST_CHUNK, math.ceil(len(batch) / threads))
    return [batch[start : start + size] for start in range(0, len(batch), size)]

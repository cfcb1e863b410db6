"""The Embedder on a Triton inference server, over gRPC. The server batches: each call sends what it has."""

import asyncio
import math
from collections.abc import Set
from enum import IntEnum
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc.aio import InferInput, InferRequestedOutput

from soutu.adapters.inference.checks import check_input, check_vectors, inference_unavailable, no_vectors
from soutu.adapters.inference.towers import Tower, is_text_model, text_model
from soutu.adapters.inference.triton_server import NotLoadedError, TritonServer
from soutu.domain.cards import embedding_model
from soutu.domain.embedding import Vectors
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.model import ModelCard, ModelRef
from soutu.observe.deadlines import time_left_s
from soutu.observe.logs import request_id
from soutu.ports import ModelStore

_TYPES = {Tower.IMAGE: "UINT8", Tower.TEXT: "INT64"}
_LEAST_WAIT_S = 0.001


class Priority(IntEnum):
    """Triton's priority levels in model repositories of ours: the smaller goes first."""

    QUERIES = 1
    BUILDS = 2


class TritonEmbedder:
    """Runs models under their name and version on one server, text towers as models of their own; a model is
    loaded there on first use.

    A request waits at most the server's `wait_s`, in its queue included, which then drops it; one of a query
    no longer than its caller waits, too. Versions are Triton's: whole numbers.
    """

    def __init__(
        self, server: TritonServer, models: ModelStore, priority: Priority = Priority.BUILDS
    ) -> None:
        self._server = server
        self._models = models
        self._priority = priority

    @classmethod
    def connected(
        cls, address: str, models: ModelStore, *, wait_s: float, unload_after_s: float = 0.0
    ) -> Self:
        """The server at host:port, for builds. To be called in the loop that uses it; connects when first
        asked."""
        return cls(TritonServer.connected(address, wait_s=wait_s, unload_after_s=unload_after_s), models)

    def for_queries(self) -> "TritonEmbedder":
        """The same server, in whose queue the requests of this one go before those of the other."""
        return TritonEmbedder(self._server, self._models, Priority.QUERIES)

    async def embed(self, model: ModelRef, pixels: NDArray[np.uint8]) -> Vectors:
        """Unit vectors, float32 (n, dimension), for uint8 RGB pixels (n, height, width, 3).

        MODEL_NOT_FOUND; MODEL_NOT_EMBEDDING; INFERENCE_UNAVAILABLE where the server or the model fails, or
        answers with anything but unit vectors; QUEUE_FULL where too much waits there; DEADLINE_EXCEEDED;
        SHUTTING_DOWN after `close`. Pixels of another shape or type: ValueError.
        """
        return await self._embed(model, Tower.IMAGE, pixels)

    async def embed_texts(self, model: ModelRef, tokens: NDArray[np.int64]) -> Vectors:
        """Unit vectors, float32 (n, dimension), for token ids (n, context); errors as `embed`, and
        TEXT_UNSUPPORTED."""
        return await self._embed(model, Tower.TEXT, tokens)

    async def _embed(self, model: ModelRef, tower: Tower, values: NDArray[Any]) -> Vectors:
        if self._server.closed:
            raise SoutuError(Reason.SHUTTING_DOWN)
        card = embedding_model(self._models.card(str(model)))
        check_input(card, tower, values)
        if not len(values):
            return no_vectors(card)
        if tower is Tower.TEXT:
            card = text_model(card)
        await self._server.load(card)
        if len(values) <= card.batch.most:
            return await self._embedded(card, tower, values)
        parts = np.array_split(values, math.ceil(len(values) / card.batch.most))
        return np.concatenate(await asyncio.gather(*(self._embedded(card, tower, part) for part in parts)))

    async def load(self, model: ModelRef) -> None:
        """Has the server load it; MODEL_NOT_FOUND, MODEL_NOT_EMBEDDING, INFERENCE_UNAVAILABLE."""
        embedding_model(self._models.card(str(model)))
        for card in self._served(model):
            await self._server.load(card)

    async def unload(self, model: ModelRef) -> None:
        """Has the server unload all versions of its name; MODEL_NOT_FOUND, INFERENCE_UNAVAILABLE."""
        for card in self._served(model):
            await self._server.unload(card)

    async def loaded(self) -> Set[ModelRef]:
        """The models that are ready on the server, whoever has had them loaded; none while it is away."""
        return {ref for ref in await self._server.ready_models() if not is_text_model(ref)}

    async def ping(self) -> None:
        """Returns if the server answers, with the models ready that it has loaded for us;
        INFERENCE_UNAVAILABLE."""
        await self._server.ping()

    async def close(self) -> None:
        """Takes no more work and closes the connection, for queries and builds alike."""
        await self._server.close()

    def _served(self, model: ModelRef) -> list[ModelCard]:
        """The models that the server has of it."""
        card = self._models.card(str(model))
        return [card, text_model(card)] if card.text else [card]

    async def _embedded(self, card: ModelCard, tower: Tower, values: NDArray[Any]) -> Vectors:
        try:
            return await self._infer(card, tower, values)
        except NotLoadedError:  # somebody has unloaded it meanwhile
            await self._server.load(card)
            return await self._infer(card, tower, values)

    async def _infer(self, card: ModelCard, tower: Tower, values: NDArray[Any]) -> Vectors:
        given = InferInput(str(tower), list(values.shape), _TYPES[tower])
        given.set_data_from_numpy(np.ascontiguousarray(values))
        wait_s = self._wait_s()
        call = self._server.client.infer(
            card.ref.name,
            [given],
            model_version=card.ref.version,
            outputs=[InferRequestedOutput("embedding")],
            request_id=request_id(),
            priority=self._priority,
            timeout=int(1e6 * wait_s),
            client_timeout=wait_s,
        )
        answer = await self._server.asked(card, call, wait_s)
        vectors: Vectors | None = answer.as_numpy("embedding")
        if vectors is None:
            raise inference_unavailable(card, "answers without an embedding")
        check_vectors(card, vectors, len(values))
        return vectors

    def _wait_s(self) -> float:
        """Of a query its caller's patience; a build, or an upload whose caller is gone, has its own."""
        left_s = time_left_s() if self._priority is Priority.QUERIES else None
        whole_s = self._server.wait_s
        return whole_s if left_s is None else min(whole_s, max(left_s, _LEAST_WAIT_S))

"""The Embedder on a Triton inference server, over gRPC. The server batches: each call sends what it has."""

import asyncio
import math
from typing import Any, Self

import grpc
import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc.aio import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from soutu.adapters.breaker import Breaker
from soutu.adapters.inference.checks import check_pixels, check_vectors, inference_unavailable, no_vectors
from soutu.domain.embedding import Vectors
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.model import ModelCard, ModelRef
from soutu.observe.logs import logger, request_id
from soutu.ports import ModelStore

_MOST_PICTURES = 32  # in one request: model repositories of ours take as many
_MESSAGE_BYTES = 2**31 - 1
# These take the place of the client's own options, so its unlimited messages are named again.
_OPTIONS = [
    ("grpc.max_send_message_length", _MESSAGE_BYTES),
    ("grpc.max_receive_message_length", _MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    # A server that came back is found within seconds: gRPC's own patience grows to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
]
_AWAY = ("StatusCode.UNAVAILABLE", "StatusCode.DEADLINE_EXCEEDED", "StatusCode.CANCELLED")
# What Triton says of a request that waited too long in its queue, or found it full.
_FULL = ("Request timeout expired", "Exceeds maximum queue size")
_AWAY_NOW = "cannot be run: the Triton server of inference.url is away"
_LIVES_S = 0.5
_LOAD_S = 120.0
_FIRST_REST_S, _LONGEST_REST_S = 0.25, 5.0
_log = logger(__name__)


class TritonEmbedder:
    """Runs models under their name and version on one server; a model is loaded there on first use.

    A request waits at most `wait_s`, in the server's queue included, which then drops it. While the server is
    away calls fail at once with INFERENCE_UNAVAILABLE, but for one now and then that tries. Versions are
    Triton's: whole numbers.
    """

    def __init__(self, client: InferenceServerClient, models: ModelStore, wait_s: float) -> None:
        self._client = client
        self._models = models
        self._wait_s = wait_s
        self._breaker = Breaker(_FIRST_REST_S, _LONGEST_REST_S)
        self._loaded: dict[ModelRef, asyncio.Task[None]] = {}
        self._closed = False

    @classmethod
    def connected(cls, address: str, models: ModelStore, *, wait_s: float) -> Self:
        """The server at host:port. To be called in the loop that uses it; connects when first asked."""
        return cls(InferenceServerClient(address, channel_args=_OPTIONS), models, wait_s)

    async def embed(self, model: ModelRef, pixels: NDArray[np.uint8]) -> Vectors:
        """Unit vectors, float32 (n, dimension), for uint8 RGB pixels (n, height, width, 3).

        MODEL_NOT_FOUND; INFERENCE_UNAVAILABLE where the server or the model fails, or answers with anything
        but unit vectors; QUEUE_FULL where too much waits there; SHUTTING_DOWN after `close`. Pixels of
        another shape or type: ValueError.
        """
        if self._closed:
            raise SoutuError(Reason.SHUTTING_DOWN)
        card = self._models.card(str(model))
        check_pixels(card, pixels)
        if not len(pixels):
            return no_vectors(card)
        await self._load(card)
        parts = np.array_split(pixels, math.ceil(len(pixels) / _MOST_PICTURES))
        return np.concatenate(await asyncio.gather(*(self._infer(card, part) for part in parts)))

    async def ping(self) -> None:
        """Returns if the server answers; INFERENCE_UNAVAILABLE."""
        if not await self._lives():
            sentence = "The Triton server of inference.url does not answer."
            raise SoutuError(Reason.INFERENCE_UNAVAILABLE, sentence)

    async def close(self) -> None:
        """Takes no more work and closes the connection."""
        if not self._closed:
            self._closed = True
            await self._client.close()

    async def _infer(self, card: ModelCard, pixels: NDArray[np.uint8]) -> Vectors:
        given = InferInput("pixels", list(pixels.shape), "UINT8")
        given.set_data_from_numpy(np.ascontiguousarray(pixels))
        answer = await self._asked(
            card,
            self._client.infer(
                card.ref.name,
                [given],
                model_version=card.ref.version,
                outputs=[InferRequestedOutput("embedding")],
                request_id=request_id(),
                timeout=int(1e6 * self._wait_s),
                client_timeout=self._wait_s,
            ),
        )
        vectors: Vectors | None = answer.as_numpy("embedding")
        if vectors is None:
            raise inference_unavailable(card, "answers without an embedding")
        check_vectors(card, vectors, len(pixels))
        return vectors

    async def _load(self, card: ModelCard) -> None:
        """Has the server load the model. Callers share one loading; one that failed is tried again."""
        loading = self._loaded.get(card.ref)
        if loading is None:
            loading = asyncio.create_task(self._ready(card))
            self._loaded[card.ref] = loading
            loading.add_done_callback(lambda done: self._forget_failure(card.ref, done))
        await asyncio.shield(loading)

    async def _ready(self, card: ModelCard) -> None:
        ref = card.ref
        if await self._is_ready(card):
            return
        await self._asked(card, self._client.load_model(ref.name, client_timeout=_LOAD_S))
        if not await self._is_ready(card):
            raise inference_unavailable(card, "is not in the model repository of the Triton server")

    async def _is_ready(self, card: ModelCard) -> bool:
        ref = card.ref
        asked = self._client.is_model_ready(ref.name, ref.version, client_timeout=self._wait_s)
        return bool(await self._asked(card, asked))

    def _forget_failure(self, ref: ModelRef, loading: asyncio.Task[None]) -> None:
        if loading.cancelled() or loading.exception() is not None:
            self._loaded.pop(ref, None)

    async def _asked(self, card: ModelCard, call: Any) -> Any:
        if self._breaker.open:
            call.close()
            raise inference_unavailable(card, _AWAY_NOW)
        try:
            answer = await call
        except InferenceServerException as error:
            self._loaded.pop(card.ref, None)  # it may have been unloaded, or the server started anew
            raise await self._translated(card, error) from error
        except grpc.aio.UsageError as error:  # closed meanwhile
            raise SoutuError(Reason.SHUTTING_DOWN) from error
        self._breaker.succeeded()
        return answer

    async def _translated(self, card: ModelCard, error: InferenceServerException) -> SoutuError:
        complaint = error.message()
        if any(words in complaint for words in _FULL):
            return SoutuError(Reason.QUEUE_FULL)
        if error.status() in _AWAY and not await self._lives():
            self._breaker.failed()
            _log.warning("triton is away", rest_s=self._breaker.rest_s, status=error.status())
            return inference_unavailable(card, _AWAY_NOW)
        _log.error("triton refuses", model=str(card.ref), status=error.status(), complaint=complaint)
        return inference_unavailable(card, "cannot be run by the Triton server")

    async def _lives(self) -> bool:
        """Whether the server answers: it gives its own refusals the statuses that gRPC has for a lost one."""
        try:
            return bool(await self._client.is_server_live(client_timeout=_LIVES_S))
        except InferenceServerException:
            return False

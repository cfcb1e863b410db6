"""One Triton server over gRPC: what it is asked, whether it is away, and which models it has loaded."""

import asyncio
import time
from collections.abc import Set
from contextlib import suppress
from typing import Any, Self

import grpc
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from soutu.adapters.breaker import Breaker
from soutu.adapters.inference.checks import inference_unavailable
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.model import ModelCard, ModelRef
from soutu.observe.logs import logger

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
_LATE = "StatusCode.DEADLINE_EXCEEDED"
_AWAY = ("StatusCode.UNAVAILABLE", _LATE, "StatusCode.CANCELLED")
# What Triton says of a request that waited too long in its queue, or found it full.
_FULL = ("Request timeout expired", "Exceeds maximum queue size")
# What it says of a model that is not loaded (any more).
_NOT_LOADED = ("unknown model", "no available versions", "is not ready", "not at ready state")
_AWAY_NOW = "cannot be run: the Triton server of inference.url is away"
_LIVES_S = 0.5
_LOAD_S = 120.0
_FIRST_REST_S, _LONGEST_REST_S = 0.25, 5.0
_LOOKS_AN_AGE = 4
_LOOK_S, _LOOKS = 0.02, 500
_log = logger(__name__)


class NotLoadedError(SoutuError):
    """INFERENCE_UNAVAILABLE of a model that the server has unloaded meanwhile."""


class TritonServer:
    """A long-lived connection. While the server is away calls fail at once with INFERENCE_UNAVAILABLE, but
    for one now and then that tries. Models are loaded by Triton's explicit model control when they are first
    needed, and unloaded when nobody, of any process, has used them for `unload_after_s` (0: never).
    """

    def __init__(self, client: InferenceServerClient, wait_s: float, unload_after_s: float = 0.0) -> None:
        self.client = client
        self.wait_s = wait_s
        self.closed = False
        self._unload_after_s = unload_after_s
        self._breaker = Breaker(_FIRST_REST_S, _LONGEST_REST_S)
        self._loaded: dict[ModelRef, asyncio.Task[None]] = {}
        self._loaded_at: dict[str, float] = {}  # by name: Triton loads all versions together
        self._unloading: asyncio.Task[None] | None = None

    @classmethod
    def connected(cls, address: str, *, wait_s: float, unload_after_s: float = 0.0) -> Self:
        """The server at host:port. To be called in the loop that uses it; connects when first asked."""
        return cls(InferenceServerClient(address, channel_args=_OPTIONS), wait_s, unload_after_s)

    async def close(self) -> None:
        """Takes no more work and closes the connection; models stay loaded, for others."""
        if self.closed:
            return
        self.closed = True
        if self._unloading:
            self._unloading.cancel()
            with suppress(asyncio.CancelledError):
                await self._unloading
        await self.client.close()

    async def ping(self) -> None:
        """Returns if the server answers and the models that it has loaded for us are ready;
        INFERENCE_UNAVAILABLE."""
        if not await self._lives():
            sentence = "The Triton server of inference.url does not answer."
            raise SoutuError(Reason.INFERENCE_UNAVAILABLE, sentence)
        used = {ref for ref, loading in self._loaded.items() if loading.done()}
        if missing := sorted(map(str, used - await self.ready_models())):
            sentence = f"The Triton server of inference.url answers, but has not ready: {', '.join(missing)}."
            raise SoutuError(Reason.INFERENCE_UNAVAILABLE, sentence)

    async def load(self, card: ModelCard) -> None:
        """Has the server load the model. Callers share one loading; one that failed is tried again."""
        loading = self._loaded.get(card.ref)
        if loading is None:
            loading = asyncio.create_task(self._ready(card))
            self._loaded[card.ref] = loading
            loading.add_done_callback(lambda done: self._forget_failure(card.ref, done))
        if not loading.done():
            await asyncio.shield(loading)

    async def unload(self, card: ModelCard) -> None:
        """Has the server unload all versions of the model, and waits ten seconds at the most until it has."""
        self._forget(card.ref.name)
        await self.asked(card, self.client.unload_model(card.ref.name, client_timeout=_LOAD_S))
        for _ in range(_LOOKS):  # another process may have it loaded again meanwhile
            if card.ref not in await self.ready_models():
                return
            await asyncio.sleep(_LOOK_S)

    async def ready_models(self) -> Set[ModelRef]:
        """The models that are ready on the server; none while it is away."""
        if self._breaker.open:
            return frozenset()
        try:
            index = await self.client.get_model_repository_index(client_timeout=self.wait_s)
        except InferenceServerException:
            return frozenset()
        return {ModelRef(each.name, each.version) for each in index.models if each.state == "READY"}

    async def asked(self, card: ModelCard, call: Any, waited_s: float | None = None) -> Any:
        """The server's answer to a call of its client about the model. INFERENCE_UNAVAILABLE, QUEUE_FULL;
        DEADLINE_EXCEEDED where it was to answer within `waited_s`, since nobody waits for longer."""
        if self._breaker.open:
            call.close()
            raise inference_unavailable(card, _AWAY_NOW)
        try:
            answer = await call
        except InferenceServerException as error:
            self._loaded.pop(card.ref, None)  # it may have been unloaded, or the server started anew
            if waited_s is not None and waited_s < self.wait_s and error.status() == _LATE:
                raise SoutuError(Reason.DEADLINE_EXCEEDED) from error
            raise await self._translated(card, error) from error
        except grpc.aio.UsageError as error:  # closed meanwhile
            raise SoutuError(Reason.SHUTTING_DOWN) from error
        self._breaker.succeeded()
        return answer

    async def _ready(self, card: ModelCard) -> None:
        ref = card.ref
        if not await self._is_ready(card):
            await self.asked(card, self.client.load_model(ref.name, client_timeout=_LOAD_S))
            if not await self._is_ready(card):
                raise inference_unavailable(card, "is not in the model repository of the Triton server")
        self._loaded_at[ref.name] = time.time()
        if self._unload_after_s and self._unloading is None:
            self._unloading = asyncio.create_task(self._unload_idle())

    async def _is_ready(self, card: ModelCard) -> bool:
        ref = card.ref
        asked = self.client.is_model_ready(ref.name, ref.version, client_timeout=self.wait_s)
        return bool(await self.asked(card, asked))

    def _forget(self, name: str) -> None:
        self._loaded_at.pop(name, None)
        for ref in [ref for ref in self._loaded if ref.name == name]:
            self._loaded.pop(ref)

    def _forget_failure(self, ref: ModelRef, loading: asyncio.Task[None]) -> None:
        if loading.cancelled() or loading.exception() is not None:
            self._loaded.pop(ref, None)

    async def _unload_idle(self) -> None:
        """Looks now and then for models that nobody uses."""
        while True:
            await asyncio.sleep(self._unload_after_s / _LOOKS_AN_AGE)
            for name in list(self._loaded_at):
                with suppress(InferenceServerException):  # it is away, or another process unloaded the model
                    await self._unload_if_idle(name)

    async def _unload_if_idle(self, name: str) -> None:
        """By the server's own count, which knows what other processes do; its clock is in milliseconds."""
        told = await self.client.get_inference_statistics(name, client_timeout=self.wait_s)
        last = max((each.last_inference / 1_000 for each in told.model_stats), default=0.0)
        if time.time() - max(last, self._loaded_at[name]) < self._unload_after_s:
            return
        self._forget(name)
        await self.client.unload_model(name, client_timeout=_LOAD_S)
        _log.info("model unloaded", model=name, unused_s=self._unload_after_s)

    async def _translated(self, card: ModelCard, error: InferenceServerException) -> SoutuError:
        complaint = error.message()
        if any(words in complaint for words in _FULL):
            return SoutuError(Reason.QUEUE_FULL)
        if any(words in complaint for words in _NOT_LOADED):
            refusal = inference_unavailable(card, "is not loaded by the Triton server")
            return NotLoadedError(refusal.reason, refusal.message, **refusal.metadata)
        if error.status() in _AWAY and not await self._lives():
            self._breaker.failed()
            _log.warning("triton is away", rest_s=self._breaker.rest_s, status=error.status())
            return inference_unavailable(card, _AWAY_NOW)
        tell = _log.warning if error.status() in _AWAY else _log.error  # it may be back already
        tell("triton refuses", model=str(card.ref), status=error.status(), complaint=complaint)
        return inference_unavailable(card, "cannot be run by the Triton server")

    async def _lives(self) -> bool:
        """Whether the server answers: it gives its own refusals the statuses that gRPC has for a lost one."""
        try:
            return bool(await self.client.is_server_live(client_timeout=_LIVES_S))
        except InferenceServerException:
            return False

"""What every call has in common: access, request, deadline, request id, errors, log line and metrics."""

from __future__ import annotations

import asyncio
import inspect
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from types import TracebackType
from typing import Any, cast

import grpc

from soutu.domain.errors import Reason, SoutuError, Status
from soutu.observe.logs import logger, request_scope
from soutu.observe.metrics import Metrics
from soutu.rpc.access import Access
from soutu.rpc.admission import Admission, Hold
from soutu.rpc.errors import code_of, status_of, told, trailers_of
from soutu.rpc.patience import Patience
from soutu.rpc.received import Received, reader
from soutu.rpc.unimplemented import check_implemented
from soutu.rpc.unread import REQUEST_ID, given_id, unread

Context = grpc.aio.ServicerContext[Any, Any]
_ENDLESS = (
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
)
_FOR_EVER = None
# For a status that a client which takes nothing may never take either.
_LAST_WORDS_S = 1.0
# Refusals that nothing more is done for: there is too much to do, or nobody waits any more.
_HASTY = frozenset(
    {Status.RESOURCE_EXHAUSTED, Status.UNAVAILABLE, Status.DEADLINE_EXCEEDED, Status.CANCELLED}
)
_log = logger("soutu.rpc")


class Calls(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # generic in the stubs only
    """Wraps every method of every service. `idle` is set while no call is under way that a shutdown should
    wait for; a health watch or a reflection stream, which end only with their client, is none."""

    def __init__(self, metrics: Metrics, access: Access, admission: Admission, patience: Patience) -> None:
        self.idle = asyncio.Event()
        self.idle.set()
        self._metrics = metrics
        self._access = access
        self._admission = admission
        self._patience = patience
        self._under_way = 0

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any]]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any]:
        """The method's own handler, with a reader that cannot fail and a wrapped behaviour; or one that
        refuses the call before its request is read. To gRPC every request is a stream, as it would wait for
        ever for a single one that does not come."""
        handler: Any = await continuation(handler_call_details)
        method: str = handler_call_details.method
        if handler is None:  # no such method: gRPC answers UNIMPLEMENTED by itself
            return cast("grpc.RpcMethodHandler[Any, Any]", None)
        try:
            caller = self._access.caller(method, handler_call_details.invocation_metadata)
        except SoutuError as refusal:
            return self._refusing(method, refusal, bool(handler.request_streaming))
        if self._admission.refuses_unread(method):
            return unread(self._metrics, method)
        behaviour = (
            handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
        )
        streams = bool(handler.response_streaming)
        make = grpc.stream_stream_rpc_method_handler if streams else grpc.stream_unary_rpc_method_handler
        wrap = self._streaming if streams else self._single
        if method in _ENDLESS:
            wrap = self._endless
        wrapped = _forgetting(wrap(method, behaviour, caller, bool(handler.request_streaming)))
        return make(wrapped, reader(handler.request_deserializer), handler.response_serializer)

    def _refusing(
        self, method: str, refusal: SoutuError, takes_stream: bool
    ) -> grpc.RpcMethodHandler[Any, Any]:
        """Answers any method: as a stream of requests, none of which is looked at."""

        async def refuse(requests: Any, context: Context) -> None:
            caller = refusal.metadata.get("key", "")
            async with self._counted(method), Call(self._metrics, method, context, caller):
                if takes_stream:
                    await self._patience.drop(context)
                raise refusal

        return grpc.stream_unary_rpc_method_handler(refuse, reader(None))

    def _single(self, method: str, behaviour: Any, caller: str, takes_stream: bool) -> Any:
        async def call(_: Any, context: Context) -> Any:
            request = await self._request(method, context, takes_stream)
            async with self._counted(method), Call(self._metrics, method, context, caller) as one:
                try:
                    with self._admission.room.hold() as hold:
                        checked = one.checked(request, hold)
                        async with self._admission.call(method, context.time_remaining()):
                            answer = behaviour(checked, context)
                            return await answer if inspect.isawaitable(answer) else answer
                except SoutuError as refusal:
                    if takes_stream and refusal.reason.status not in _HASTY:
                        await self._patience.drop(context)
                    raise

        return call

    def _streaming(self, method: str, behaviour: Any, caller: str, takes_stream: bool) -> Any:
        """The work is done when the first message is there; whoever reads slowly keeps nobody waiting."""

        async def call(_: Any, context: Context) -> None:
            request = await self._request(method, context, takes_stream)
            async with self._counted(method), Call(self._metrics, method, context, caller) as one:
                with self._admission.room.hold() as hold:
                    answers = behaviour(one.checked(request, hold), context)
                    async with self._admission.call(method, context.time_remaining()):
                        first = await anext(answers, None)
                async with aclosing(answers):
                    if first is not None:
                        await self._patience.send(context, first)
                    async for message in answers:
                        await self._patience.send(context, message)

        return call

    def _endless(self, method: str, behaviour: Any, caller: str, takes_stream: bool) -> Any:
        async def call(_: Any, context: Context) -> None:
            request = await self._request(method, context, takes_stream)
            async with (
                self._counted(method),
                Call(self._metrics, method, context, caller) as one,
                self._admission.call(method, None),
            ):
                answers = behaviour(one.checked(request), context)
                if inspect.isawaitable(answers):  # writes them itself, as grpc's own health service does
                    await answers
                    return
                async with aclosing(answers):
                    async for message in answers:
                        await self._patience.send(context, message)

        return call

    async def _request(
        self, method: str, context: Context, is_stream: bool
    ) -> Received | AsyncIterator[Received]:
        """The request, or an iterator of requests; the time that it takes to come is the client's."""
        if not is_stream:
            return await self._patience.only(context)
        return Patience(_FOR_EVER).all(context) if method in _ENDLESS else self._patience.all(context)

    @asynccontextmanager
    async def _counted(self, method: str) -> AsyncIterator[None]:
        counts = 0 if method in _ENDLESS else 1
        self._under_way += counts
        if self._under_way:
            self.idle.clear()
        try:
            yield
        finally:
            self._under_way -= counts
            if not self._under_way:
                self.idle.set()


class Call:
    """One call, from its beginning to its end: turns whatever goes wrong into a status with details."""

    def __init__(self, metrics: Metrics, method: str, context: Context, caller: str = "") -> None:
        self._metrics = metrics
        self._method = method
        self._context = context
        self._began_s = time.perf_counter()
        self._timeout = asyncio.timeout(context.time_remaining())
        self._request_id = given_id(context) or uuid.uuid4().hex
        self._scope = request_scope(self._request_id, caller)

    async def __aenter__(self) -> Call:
        self._metrics.request_started(self._method)
        self._scope.__enter__()
        self._context.set_trailing_metadata(((REQUEST_ID, self._request_id),))
        await self._timeout.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError as expired:
            error = expired
        code = "OK"
        try:
            if error is not None:
                code = self._code(error)
                await self._abort(error)
        finally:
            _let_go(error)
            self._metrics.request_ended(self._method, code, time.perf_counter() - self._began_s)
            self._scope.__exit__(None, None, None)

    def checked(self, requests: Received | AsyncIterator[Received], hold: Hold | None = None) -> Any:
        """The request, or a stream of requests, each of which is sound, asks for what is implemented and is
        added to what the call holds."""
        if isinstance(requests, Received):
            return _checked(requests, hold)
        return _checked_stream(requests, hold)

    def _code(self, error: BaseException) -> str:
        if isinstance(error, grpc.aio.AbortError):
            return str(getattr(self._context.code(), "name", "UNKNOWN"))
        return fault_of(error, self._method).reason.status.value

    async def _abort(self, error: BaseException) -> None:
        if isinstance(error, grpc.aio.AbortError | asyncio.CancelledError | GeneratorExit):
            return
        fault = fault_of(error, self._method)
        if fault.reason is Reason.INTERNAL:
            _log.error("a call broke", method=self._method, exc_info=error)
        else:
            # Refusing must be cheap where calls come by the thousand; the metrics count them.
            log = _log.debug if fault.reason is Reason.QUEUE_FULL else _log.info
            log("a call failed", method=self._method, reason=fault.reason.name, message=told(fault.message))
        request_id: tuple[str, str | bytes] = (REQUEST_ID, self._request_id)
        status = status_of(fault)
        trailers = (*trailers_of(status), request_id)
        try:
            async with asyncio.timeout(_LAST_WORDS_S):
                await self._context.abort(code_of(fault.reason.status), status.message, trailers)
        except (TimeoutError, grpc.aio.InternalError):  # it takes nothing, or gRPC has ended the call itself
            raise asyncio.CancelledError from error


def _let_go(error: BaseException | None) -> None:
    """Takes the tracebacks from an error that has been told of: a frame in them that holds the error itself,
    as `raise outcome` makes one, is a circle, and holds the request."""
    while error is not None and error.__traceback__ is not None:
        error.__traceback__ = None
        error = error.__context__


def _forgetting(call: Callable[[Any, Context], Awaitable[Any]]) -> Callable[[Any, Context], Awaitable[Any]]:
    """`call`, which leaves nothing of an aborted call behind.

    gRPC's state of a call keeps the error that the call was aborted with, and that error's traceback leads by
    way of our frames back to the state: a circle that would hold the request until the garbage collector
    comes to its last generation, which counts objects and not their bytes.
    """

    async def forgetting(requests: Any, context: Context) -> Any:
        try:
            return await call(requests, context)
        except grpc.aio.AbortError as aborted:
            aborted.__context__ = None
            del requests, context
            raise aborted.with_traceback(None)  # noqa: B904  # it has no cause but the one let go

    return forgetting


def fault_of(error: BaseException, method: str) -> SoutuError:
    """What is told of an error: itself where it is ours, else as much as is fit for strangers."""
    match error:
        case SoutuError():
            return error
        case TimeoutError():
            return SoutuError(Reason.DEADLINE_EXCEEDED)
        case NotImplementedError():
            return SoutuError(
                Reason.FEATURE_UNIMPLEMENTED, f"{method.lstrip('/')} is not implemented by this server yet."
            )
        case ExceptionGroup() if isinstance(error.exceptions[0], SoutuError):
            return error.exceptions[0]
        case asyncio.CancelledError() | grpc.aio.InternalError():  # the latter where the call is gone
            return SoutuError(Reason.OPERATION_CANCELLED, "The call was cancelled.")
        case _:
            return SoutuError(Reason.INTERNAL)


def _checked(received: Received, hold: Hold | None) -> Any:
    if isinstance(received.message, SoutuError):
        raise received.message
    if hold:
        hold.add(received.size_bytes)
    check_implemented(received.message)
    return received.message


async def _checked_stream(requests: AsyncIterator[Received], hold: Hold | None) -> AsyncIterator[Any]:
    async for received in requests:
        yield _checked(received, hold)

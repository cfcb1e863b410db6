"""Refusing calls that there is no time, or no use, to look at: unread, with next to nothing done for each."""

from __future__ import annotations

import uuid
from typing import Any

import grpc

from soutu.domain.errors import Reason, SoutuError
from soutu.observe.metrics import Metrics
from soutu.rpc.errors import code_of, status_of, trailers_of

Context = grpc.aio.ServicerContext[Any, Any]
REQUEST_ID = "x-request-id"

_STATUS = status_of(SoutuError(Reason.QUEUE_FULL, "More calls come than can be done; retry later."))
_CODE = code_of(Reason.QUEUE_FULL.status)
_TRAILERS = trailers_of(_STATUS)


def unread(metrics: Metrics, method: str) -> grpc.RpcMethodHandler[Any, Any]:
    """Answers a call of any method with QUEUE_FULL. To gRPC it is a stream of requests, none of which is
    read, and of answers, none of which is sent: so it is over in one step."""

    async def refuse(_: Any, context: Context) -> None:
        metrics.request_refused(method, _CODE.name)
        request_id = given_id(context) or uuid.uuid4().hex
        context.set_code(_CODE)
        context.set_details(_STATUS.message)
        context.set_trailing_metadata((*_TRAILERS, (REQUEST_ID, request_id)))

    return grpc.stream_stream_rpc_method_handler(refuse)


def given_id(context: Context) -> str:
    """The request id that the client chose, as far as it may be sent back: gRPC fails at other texts."""
    given = str(dict(context.invocation_metadata() or ()).get(REQUEST_ID, ""))[:128]
    return given if given.isascii() and given.isprintable() else ""

"""Calls that there is no time to look at: refused whatever they ask, with all that a refusal carries."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from prometheus_client import CollectorRegistry

from soutu.observe.metrics import Metrics
from soutu.rpc.unread import unread

METHOD = "/soutu.v1.SearchService/Search"
LABELS = {"method": METHOD, "code": "RESOURCE_EXHAUSTED"}
Served = tuple[grpc.aio.Channel, CollectorRegistry]


class Refusing(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # generic in the stubs only
    """Refuses every call."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        return unread(self._metrics, METHOD)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    metrics = Metrics()
    server = grpc.aio.server(handlers=[Refusing(metrics)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel, metrics.registry
    await server.stop(None)


async def refused(call: "grpc.aio.Call") -> dict[str, str | bytes]:
    """The trailing metadata of a call that was answered with RESOURCE_EXHAUSTED."""
    assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    return dict(await call.trailing_metadata() or ())


async def test_it_says_why_and_when_to_come_again_and_to_which_request(served: Served) -> None:
    channel, registry = served
    call = channel.unary_unary(METHOD, bytes, bytes)(bytes(100_000), metadata=(("x-request-id", "mine"),))
    trailers = await refused(call)
    status = status_pb2.Status.FromString(bytes(trailers["grpc-status-details-bin"]))  # type: ignore[arg-type]
    reason, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    assert any(detail.Unpack(reason) for detail in status.details)
    assert any(detail.Unpack(retry) for detail in status.details)
    assert (reason.reason, reason.domain, retry.retry_delay.seconds) == ("QUEUE_FULL", "soutu", 1)
    assert await call.details() == status.message
    assert trailers["x-request-id"] == "mine"
    assert registry.get_sample_value("soutu_rpc_requests_total", LABELS) == 1


async def test_streams_are_refused_alike_and_each_call_has_an_id(served: Served) -> None:
    channel, registry = served

    async def undecided() -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    calls = [
        channel.stream_unary(METHOD, bytes, bytes)(undecided()),
        channel.stream_stream(METHOD, bytes, bytes)(undecided()),
        channel.unary_stream(METHOD, bytes, bytes)(b""),
    ]
    ids = {(await refused(call))["x-request-id"] for call in calls}
    assert len(ids) == 3
    assert all(len(each) == 32 for each in ids)
    assert registry.get_sample_value("soutu_rpc_requests_total", LABELS) == 3

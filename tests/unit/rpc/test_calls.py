"""What every call has in common: what nobody foresaw is INTERNAL, without its text, and in the log."""

import gc
import io
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from soutu.domain.errors import Reason, SoutuError
from soutu.observe.clock import SystemClock
from soutu.observe.logs import configure
from soutu.observe.metrics import Metrics
from soutu.rpc.access import Access
from soutu.rpc.admission import Admission
from soutu.rpc.calls import Calls
from soutu.rpc.patience import Patience
from tests.flows.served import breakdowns
from tests.unit.rpc.test_admission import ONE

ASKED = health_pb2.HealthCheckRequest(service="x")


class Faulty(health_pb2_grpc.HealthServicer):  # type: ignore[misc]
    """Fails in ways that no part of the service is meant to."""

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        raise RuntimeError("a secret")

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        yield health_pb2.HealthCheckResponse()
        raise KeyError("a secret")


class Refusing(health_pb2_grpc.HealthServicer):  # type: ignore[misc]
    """Refuses in the way that keeps most: with an error that lies in a frame of its own traceback."""

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        refusal = SoutuError(Reason.COLLECTION_NOT_FOUND)
        raise refusal


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    configure("info", "json", stream)
    yield stream
    configure("info", "json", io.StringIO())


@pytest.fixture
async def faulty(log: io.StringIO) -> AsyncIterator[health_pb2_grpc.HealthStub]:
    async with served(Faulty()) as stub:
        yield stub


@asynccontextmanager
async def served(servicer: health_pb2_grpc.HealthServicer) -> AsyncIterator[health_pb2_grpc.HealthStub]:
    metrics = Metrics()
    calls = Calls(metrics, Access(None, SystemClock()), Admission(ONE, metrics), Patience(1.0))
    server = grpc.aio.server(interceptors=[calls])
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield health_pb2_grpc.HealthStub(channel)
    await server.stop(None)


async def test_a_fault_of_ours_tells_strangers_nothing_and_is_found_in_the_log(
    faulty: health_pb2_grpc.HealthStub, log: io.StringIO
) -> None:
    async def watched() -> None:
        _ = [each async for each in faulty.Watch(ASKED)]

    async def checked() -> None:
        await faulty.Check(ASKED)

    for number, call in enumerate((checked, watched), 1):
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await call()
        assert failed.value.code() is grpc.StatusCode.INTERNAL
        assert "secret" not in (failed.value.details() or "")
        assert len(breakdowns(log.getvalue())) == number, "flows fail at the end of a server with such a log"


async def test_refused_requests_are_gone_without_the_garbage_collector(log: io.StringIO) -> None:
    async with served(Refusing()) as stub:
        gc.collect()
        gc.disable()
        try:
            before = requests_alive()
            for _ in range(5):
                with suppress(grpc.aio.AioRpcError):
                    await stub.Check(ASKED)
            assert requests_alive() - before < 2, "at most the last one"
        finally:
            gc.enable()
    assert log.getvalue().count("COLLECTION_NOT_FOUND") == 5


def requests_alive() -> int:
    return sum(type(each) is health_pb2.HealthCheckRequest for each in gc.get_objects())

"""The gRPC server: listens, serves, drains."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import grpc
from google.longrunning import operations_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection_pb2_grpc

from soutu.rpc.admin import AdminServicer
from soutu.rpc.calls import Calls
from soutu.rpc.collections import CollectionServicer
from soutu.rpc.images import ImageServicer
from soutu.rpc.models import ModelServicer
from soutu.rpc.operations import OperationServicer
from soutu.rpc.reflection import reflection_servicer
from soutu.rpc.searching import SearchServicer
from soutu.rpc.tls import ServerTls
from soutu.v1 import (
    admin_service_pb2_grpc,
    collection_service_pb2_grpc,
    image_service_pb2_grpc,
    model_service_pb2_grpc,
    search_pb2_grpc,
)

SERVICES = (
    "soutu.v1.SearchService",
    "soutu.v1.ImageService",
    "soutu.v1.CollectionService",
    "soutu.v1.ModelService",
    "soutu.v1.AdminService",
    "google.longrunning.Operations",
    "grpc.health.v1.Health",
)

# Beyond it gRPC itself answers RESOURCE_EXHAUSTED, without details: more than all queues together hold.
_CALLS_AT_ONCE = 2_000

# gRPC unpacks a message before it looks at its size: a megabyte may become a gigabyte (decision 0018).
_UNCOMPRESSED = 1

# For answers that are finished and still being sent.
_LAST_WORDS_S = 1.0


@dataclass(frozen=True, slots=True)
class Servicers:
    """One servicer per service."""

    search: SearchServicer
    images: ImageServicer
    collections: CollectionServicer
    models: ModelServicer
    admin: AdminServicer
    operations: OperationServicer


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """The largest message, how long a client may rest, and whether others listen on the port, too."""

    message_bytes: int
    idle_s: float
    shared_port: bool = False


class Server:
    """Serves all services on one address."""

    def __init__(self, servicers: Servicers, calls: Calls, limits: ServerLimits, *, reflection: bool) -> None:
        options = [
            ("grpc.max_receive_message_length", limits.message_bytes),
            ("grpc.max_send_message_length", limits.message_bytes),
            ("grpc.so_reuseport", int(limits.shared_port)),
            ("grpc.compression_enabled_algorithms_bitset", _UNCOMPRESSED),
            ("grpc.max_concurrent_streams", _CALLS_AT_ONCE // 4),
            ("grpc.keepalive_time_ms", round(1_000 * limits.idle_s)),
        ]
        self._calls = calls
        self._server = grpc.aio.server(
            interceptors=[self._calls], options=options, maximum_concurrent_rpcs=_CALLS_AT_ONCE
        )
        self._health = HealthServicer()
        _add(self._server, servicers, self._health)
        if reflection:
            reflection_pb2_grpc.add_ServerReflectionServicer_to_server(
                reflection_servicer(SERVICES), self._server
            )

    async def start(self, address: str, tls: ServerTls | None = None) -> int:
        """Listens on `address` (host:port, port 0 for a free one, or unix:path) and serves. Returns the port;
        OSError if the address cannot be had."""
        try:
            if tls:
                port = self._server.add_secure_port(address, tls.credentials())
            else:
                port = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {address}: is something else listening there?") from error
        await self._server.start()
        await self._tell(health_pb2.HealthCheckResponse.SERVING)
        return port

    async def drain(self, grace_s: float) -> None:
        """Takes no more calls, lets those under way finish within `grace_s`, and stops."""
        await self._health.enter_graceful_shutdown()
        stopping = asyncio.create_task(self._server.stop(grace_s))
        with suppress(TimeoutError):
            await asyncio.wait_for(self._calls.idle.wait(), grace_s)
        await self._server.stop(_LAST_WORDS_S)  # streams that never end by themselves are cut off
        await stopping

    async def _tell(self, status: Any) -> None:
        await asyncio.gather(*(self._health.set(name, status) for name in ("", *SERVICES)))


def _add(server: grpc.aio.Server, servicers: Servicers, health_servicer: HealthServicer) -> None:
    search_pb2_grpc.add_SearchServiceServicer_to_server(servicers.search, server)
    image_service_pb2_grpc.add_ImageServiceServicer_to_server(servicers.images, server)
    collection_service_pb2_grpc.add_CollectionServiceServicer_to_server(servicers.collections, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(servicers.models, server)
    admin_service_pb2_grpc.add_AdminServiceServicer_to_server(servicers.admin, server)
    operations_pb2_grpc.add_OperationsServicer_to_server(servicers.operations, server)
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)

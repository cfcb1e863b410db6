"""The gRPC server: listens, serves, drains."""

import asyncio
import sys
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
from soutu.rpc.listening import cannot_listen, check_free
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

# Each takes one call in a round of the event loop, which is too few where there is much to refuse (0017).
# Linux spreads connections over all that listen on a port; elsewhere one would get them all.
_LISTENERS = 8
_SHARES_PORTS = sys.platform == "linux"

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
        self._servicers = servicers
        self._calls = calls
        self._limits = limits
        self._reflection = reflection
        self._health = HealthServicer()
        self._listeners: list[grpc.aio.Server] = []

    async def start(self, address: str, tls: ServerTls | None = None) -> int:
        """Listens on `address` (host:port, port 0 for a free one, or unix:path) and serves. Returns the port;
        OSError if the address cannot be had."""
        shared = _SHARES_PORTS and not address.startswith("unix:")
        if shared and not self._limits.shared_port:
            check_free(address)
        port = await self._listen(address, tls, shared)
        for _ in range(_LISTENERS - 1 if shared else 0):
            await self._listen(f"{address.rpartition(':')[0]}:{port}", tls, shared)
        await self._tell(health_pb2.HealthCheckResponse.SERVING)
        return port

    async def drain(self, grace_s: float) -> None:
        """Takes no more calls, lets those under way finish within `grace_s`, and stops."""
        await self._health.enter_graceful_shutdown()
        stopping = asyncio.create_task(self._stop(grace_s))
        with suppress(TimeoutError):
            await asyncio.wait_for(self._calls.idle.wait(), grace_s)
        await self._stop(_LAST_WORDS_S)  # streams that never end by themselves are cut off
        await stopping

    async def _listen(self, address: str, tls: ServerTls | None, shared: bool) -> int:
        listener = self._listener(shared)
        try:
            if tls:
                port = listener.add_secure_port(address, tls.credentials())
            else:
                port = listener.add_insecure_port(address)
        except RuntimeError as error:
            raise cannot_listen(address) from error
        self._listeners.append(listener)
        await listener.start()
        return port

    def _listener(self, shared: bool) -> grpc.aio.Server:
        options = [
            ("grpc.max_receive_message_length", self._limits.message_bytes),
            ("grpc.max_send_message_length", self._limits.message_bytes),
            ("grpc.so_reuseport", int(shared)),
            ("grpc.compression_enabled_algorithms_bitset", _UNCOMPRESSED),
            ("grpc.max_concurrent_streams", _CALLS_AT_ONCE // 4),
            ("grpc.keepalive_time_ms", round(1_000 * self._limits.idle_s)),
        ]
        listener = grpc.aio.server(
            interceptors=[self._calls], options=options, maximum_concurrent_rpcs=_CALLS_AT_ONCE
        )
        _add(listener, self._servicers, self._health)
        if self._reflection:
            servicer = reflection_servicer(SERVICES)
            reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, listener)
        return listener

    async def _stop(self, grace_s: float) -> None:
        await asyncio.gather(*(listener.stop(grace_s) for listener in self._listeners))

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

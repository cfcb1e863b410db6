"""AdminService."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from soutu import __version__
from soutu.domain.errors import SoutuError
from soutu.rpc.calls import Context
from soutu.rpc.convert.basics import timestamp
from soutu.v1 import admin_service_pb2, admin_service_pb2_grpc

Check = Callable[[], Awaitable[str]]
"""Looks at one part: answers with a sentence on how it is, or raises SoutuError."""


class AdminServicer(admin_service_pb2_grpc.AdminServiceServicer):
    """Answers soutu.v1.AdminService."""

    def __init__(
        self,
        profile: str,
        started: datetime,
        limits: admin_service_pb2.Limits,
        checks: Mapping[str, Check],
    ) -> None:
        self._profile = profile
        self._started = started
        self._limits = limits
        self._checks = checks

    async def GetLimits(
        self, request: admin_service_pb2.GetLimitsRequest, context: Context
    ) -> admin_service_pb2.Limits:
        return self._limits

    async def GetStatus(
        self, request: admin_service_pb2.GetStatusRequest, context: Context
    ) -> admin_service_pb2.ServerStatus:
        return admin_service_pb2.ServerStatus(
            version=__version__,
            profile=self._profile,
            start_time=timestamp(self._started),
            parts=[await _part(name, check) for name, check in self._checks.items()],
        )


async def _part(name: str, check: Check) -> admin_service_pb2.PartStatus:
    try:
        return admin_service_pb2.PartStatus(part=name, healthy=True, detail=await check())
    except SoutuError as error:
        return admin_service_pb2.PartStatus(part=name, healthy=False, detail=error.message)

"""AdminService."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from google.longrunning import operations_pb2

from soutu import __version__
from soutu.collections.backup import Backups
from soutu.collections.export import Exports
from soutu.collections.importing import Imports
from soutu.collections.purge import Purges
from soutu.collections.rebuild import Rebuilds
from soutu.collections.tuning import Tuning
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.operation import Operation
from soutu.operations.runner import OperationRunner
from soutu.rpc.calls import Context
from soutu.rpc.convert.basics import timestamp
from soutu.rpc.convert.operations import operation_message
from soutu.rpc.convert.upkeep import export_format, purged_ids, wanted_recall
from soutu.rpc.names import collection_id, collection_name
from soutu.v1 import admin_service_pb2, admin_service_pb2_grpc

Check = Callable[[], Awaitable[str]]
"""Looks at one part: answers with a sentence on how it is, or raises SoutuError."""


@dataclass(frozen=True, slots=True)
class AdminStories:
    """What AdminService asks for; `runner` does it."""

    backups: Backups
    exports: Exports
    imports: Imports
    purges: Purges
    rebuilds: Rebuilds
    tuning: Tuning
    runner: OperationRunner


class AdminServicer(admin_service_pb2_grpc.AdminServiceServicer):
    """Answers soutu.v1.AdminService."""

    def __init__(
        self,
        profile: str,
        started: datetime,
        limits: admin_service_pb2.Limits,
        checks: Mapping[str, Check],
        stories: AdminStories,
    ) -> None:
        self._profile = profile
        self._started = started
        self._limits = limits
        self._checks = checks
        self._stories = stories

    async def Backup(
        self, request: admin_service_pb2.BackupRequest, context: Context
    ) -> operations_pb2.Operation:
        return self._begun(await self._stories.backups.begin(request.path))

    async def Restore(
        self, request: admin_service_pb2.RestoreRequest, context: Context
    ) -> operations_pb2.Operation:
        raise SoutuError(
            Reason.FEATURE_UNIMPLEMENTED,
            "A backup is restored before a server opens the data directory: run `soutu restore DIR`.",
        )

    async def ExportCollection(
        self, request: admin_service_pb2.ExportCollectionRequest, context: Context
    ) -> operations_pb2.Operation:
        name, exports = collection_name(request.name, "name"), self._stories.exports
        operation = await exports.begin(
            name.collection_id,
            name.generation_id,
            request.path,
            export_format(request),
            originals=not request.without_originals,
        )
        return self._begun(operation)

    async def ImportCollection(
        self, request: admin_service_pb2.ImportCollectionRequest, context: Context
    ) -> operations_pb2.Operation:
        name = collection_id(request.name, "name")
        return self._begun(await self._stories.imports.begin(name, request.path))

    async def PurgeImages(
        self, request: admin_service_pb2.PurgeImagesRequest, context: Context
    ) -> operations_pb2.Operation:
        collection = collection_id(request.parent, "parent")
        ids = purged_ids(request, collection)
        return self._begun(await self._stories.purges.begin(collection, ids))

    async def RebuildIndex(
        self, request: admin_service_pb2.RebuildIndexRequest, context: Context
    ) -> operations_pb2.Operation:
        name = collection_name(request.name, "name")
        return self._begun(await self._stories.rebuilds.begin(name.collection_id, name.generation_id))

    async def TuneIndex(
        self, request: admin_service_pb2.TuneIndexRequest, context: Context
    ) -> operations_pb2.Operation:
        name, recall = collection_name(request.name, "name"), wanted_recall(request)
        return self._begun(await self._stories.tuning.begin(name.collection_id, name.generation_id, recall))

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
            parts=await asyncio.gather(*(_part(name, check) for name, check in self._checks.items())),
        )

    def _begun(self, operation: Operation) -> operations_pb2.Operation:
        self._stories.runner.wake()
        return operation_message(operation)


async def _part(name: str, check: Check) -> admin_service_pb2.PartStatus:
    try:
        return admin_service_pb2.PartStatus(part=name, healthy=True, detail=await check())
    except SoutuError as error:
        return admin_service_pb2.PartStatus(part=name, healthy=False, detail=error.message)

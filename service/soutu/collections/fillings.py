"""Filling collections: builds and syncs are asked for here and run as operations."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from soutu.domain.collection import Head
from soutu.domain.errors import Reason, SoutuError, invalid_field
from soutu.domain.image import Keeping
from soutu.domain.operation import Operation, OperationKind
from soutu.ingest.opening import Sources
from soutu.ingest.site import BuildRequest, SyncRequest
from soutu.ingest.specs import DirectorySpec, SourceSpec, TarSpec, kind_of
from soutu.operations.runner import OperationRunner
from soutu.ports import Catalog


@dataclass(frozen=True, slots=True)
class BuildOrder:
    """A build as it is asked for: a source, or an earlier build (an operation's id) whose failures are to be
    built again. `keeping` None is the source's default, or that of the earlier build."""

    source: SourceSpec | None
    keeping: Keeping | None = None
    retry_of: str = ""


@dataclass(frozen=True, slots=True)
class SyncOrder:
    """A sync as it is asked for; `keeping` None is the source's default."""

    source: SourceSpec
    keeping: Keeping | None = None
    dry_run: bool = False
    watch: bool = False
    keep_vanished: bool = False


class Fillings:
    """The stories that begin builds and syncs. Whether a source may be read is said at once."""

    def __init__(self, catalog: Catalog, sources: Sources, runner: OperationRunner) -> None:
        self._catalog = catalog
        self._sources = sources
        self._runner = runner

    async def build(self, collection_id: str, order: BuildOrder) -> Operation:
        """Begins to fill a collection. FIELD_INVALID; SOURCE_NOT_FOUND; SOURCE_NOT_ALLOWED;
        COLLECTION_NOT_FOUND; OPERATION_NOT_FOUND; COLLECTION_BUSY."""
        head = await self._catalog.head(collection_id)
        if order.retry_of:
            order = await self._retry(head, order)
        assert order.source is not None, "a build without a source is a retry"
        source = await asyncio.to_thread(self._sources.allowed, order.source)
        keeping = _keeping(source, order.keeping)
        request = BuildRequest(source, keeping, head.collection.revision, order.retry_of)
        return await self._begin(OperationKind.BUILD, head, request.as_mapping())

    async def sync(self, collection_id: str, order: SyncOrder) -> Operation:
        """Begins to make a collection agree with a directory; errors as of `build`."""
        head = await self._catalog.head(collection_id)
        if not isinstance(order.source, DirectorySpec):
            field = f"source.{kind_of(order.source)}"
            message = f"{field}: only directories can be synced; build from it instead."
            raise SoutuError(Reason.FEATURE_UNIMPLEMENTED, message, field=field)
        if order.dry_run and order.watch:
            raise invalid_field("watch", "must not be set together with dry_run")
        source = await asyncio.to_thread(self._sources.allowed, order.source)
        request = SyncRequest(
            source,
            _keeping(source, order.keeping),
            order.dry_run,
            order.watch,
            order.keep_vanished,
            head.collection.revision,
        )
        return await self._begin(OperationKind.SYNC, head, request.as_mapping())

    async def _begin(self, kind: OperationKind, head: Head, request: Mapping[str, object]) -> Operation:
        collection = head.collection
        operation = await self._catalog.create_operation(kind, collection.uid, collection.id, request)
        self._runner.wake()
        return operation

    async def _retry(self, head: Head, order: BuildOrder) -> BuildOrder:
        """The order with the earlier build's source and keeping."""
        if order.source is not None:
            raise invalid_field("source", "must be left out with retry_failures_of")
        earlier = await self._catalog.operation(order.retry_of)
        if (earlier.kind, earlier.collection_uid) != (OperationKind.BUILD, head.collection.uid):
            raise invalid_field("retry_failures_of", "must be a build of this very collection")
        request = BuildRequest.parsed(earlier.request)
        return replace(order, source=request.source, keeping=order.keeping or request.keeping)


def _keeping(source: SourceSpec, asked: Keeping | None) -> Keeping:
    if isinstance(source, TarSpec) and asked is Keeping.REFERENCED:
        raise invalid_field("keeping", "must be STORED for an archive: its members cannot be referred to")
    return asked or source.default_keeping

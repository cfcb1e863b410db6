"""Collections and the long work that fills them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypedDict, Unpack

from soutu.client.calls import Calls
from soutu.client.given import checked, made
from soutu.client.names import collection_name, operation_name
from soutu.client.operations import OperationHandle, Operations
from soutu.client.queries import read_mask
from soutu.client.sources import DirectoryFields, SourceKind, source_of
from soutu.v1.attribute_pb2 import Attribute
from soutu.v1.collection_pb2 import Collection, Index, LabelSet
from soutu.v1.collection_service_pb2 import (
    BuildCollectionRequest,
    BuildCollectionResponse,
    CollectionStatistics,
    CreateCollectionRequest,
    DeleteCollectionRequest,
    GetCollectionRequest,
    GetCollectionStatisticsRequest,
    ListCollectionsRequest,
    Source,
    SyncCollectionRequest,
    SyncCollectionResponse,
    UpdateCollectionRequest,
)
from soutu.v1.collection_service_pb2_grpc import CollectionServiceStub
from soutu.v1.image_pb2 import Keeping


class CollectionFields(TypedDict, total=False):
    """What may be said about a new collection; the fields of Collection that a client may set."""

    display_name: str
    description: str
    model: str
    index: Index
    attributes: Mapping[str, Attribute]
    label_sets: Sequence[LabelSet]


class UpdatableFields(TypedDict, total=False):
    """What may be changed of a collection."""

    display_name: str
    description: str
    attributes: Mapping[str, Attribute]
    label_sets: Sequence[LabelSet]


class SyncFields(TypedDict, total=False):
    """How a sync is done; the fields of SyncCollectionRequest."""

    dry_run: bool
    watch: bool
    keep_vanished: bool


class Collections:
    """`Client.collections`. Collections are given by full name or id."""

    def __init__(self, calls: Calls, operations: Operations) -> None:
        self._calls = calls
        self._operations = operations
        self._stub = CollectionServiceStub(calls.channel)

    def create(self, collection_id: str, **fields: Unpack[CollectionFields]) -> Collection:
        """Makes a collection. Never sent twice by itself: it has no request id."""
        request = made(
            CreateCollectionRequest, collection_id=collection_id, collection=made(Collection, **fields)
        )
        return self._calls.unary(self._stub.CreateCollection, request)

    def get(self, collection: str) -> Collection:
        """One collection."""
        request = GetCollectionRequest(name=collection_name(collection))
        return self._calls.unary(self._stub.GetCollection, request)

    def list(self) -> Iterator[Collection]:
        """All collections, page after page as they are asked for."""
        request = ListCollectionsRequest()
        while True:
            page = self._calls.unary(self._stub.ListCollections, request)
            yield from page.collections
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def update(self, collection: str, *, etag: str = "", **fields: Unpack[UpdatableFields]) -> Collection:
        """Sets the fields that are given, and no others; attributes are added. With `etag`, only a collection
        that still has it is changed."""
        changed = made(Collection, name=collection_name(collection), etag=etag, **fields)
        request = UpdateCollectionRequest(collection=changed, update_mask=read_mask(fields))
        return self._calls.unary(self._stub.UpdateCollection, request)

    def delete(self, collection: str, *, force: bool = False, etag: str = "") -> None:
        """Deletes a collection; one that holds images only with `force`."""
        request = made(DeleteCollectionRequest, name=collection_name(collection), force=force, etag=etag)
        self._calls.unary(self._stub.DeleteCollection, request)

    def statistics(self, collection: str) -> CollectionStatistics:
        """Numbers about a collection."""
        request = GetCollectionStatisticsRequest(name=collection_name(collection))
        return self._calls.unary(self._stub.GetCollectionStatistics, request)

    def build(
        self,
        collection: str,
        source: Path | Source,
        *,
        kind: SourceKind | None = None,
        keeping: Keeping.ValueType = Keeping.KEEPING_UNSPECIFIED,
        **fields: Unpack[DirectoryFields],
    ) -> OperationHandle[BuildCollectionResponse]:
        """Fills a collection from a directory, an archive or a manifest of the server's machine; answers at
        once. A path's kind is told by its name where `kind` is not given."""
        checked(source, (Path, Source), "source", "a pathlib.Path or a Source")
        if isinstance(source, Path):
            source = source_of(source, kind, **fields)
        name = collection_name(collection)
        return self._start(BuildCollectionRequest(name=name, source=source, keeping=keeping))

    def sync(
        self,
        collection: str,
        directory: Path | Source,
        *,
        keeping: Keeping.ValueType = Keeping.KEEPING_UNSPECIFIED,
        **fields: Unpack[SyncFields],
    ) -> OperationHandle[SyncCollectionResponse]:
        """Makes a collection agree with a directory of the server's machine; answers at once. With `watch` it
        goes on until it is cancelled. A Source says which of the directory's files count."""
        checked(directory, (Path, Source), "directory", "a pathlib.Path or a Source")
        source = source_of(directory, "directory") if isinstance(directory, Path) else directory
        name = collection_name(collection)
        request = made(SyncCollectionRequest, name=name, source=source, keeping=keeping, **fields)
        operation = self._calls.unary(self._stub.SyncCollection, request)
        return self._operations.handle(operation, SyncCollectionResponse)

    def retry_failures(self, collection: str, operation: str) -> OperationHandle[BuildCollectionResponse]:
        """Builds again what failed in an earlier build."""
        name, earlier = collection_name(collection), operation_name(operation)
        return self._start(BuildCollectionRequest(name=name, retry_failures_of=earlier))

    def _start(self, request: BuildCollectionRequest) -> OperationHandle[BuildCollectionResponse]:
        operation = self._calls.unary(self._stub.BuildCollection, request)
        return self._operations.handle(operation, BuildCollectionResponse)

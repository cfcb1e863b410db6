"""What those who run a deployment ask of it."""

from collections.abc import Sequence
from pathlib import Path

from soutu.client.calls import Calls
from soutu.client.given import checked, checked_texts, made
from soutu.client.names import collection_name, image_name
from soutu.client.operations import OperationHandle, Operations
from soutu.v1.admin_service_pb2 import (
    BackupRequest,
    BackupResponse,
    ExportCollectionRequest,
    ExportCollectionResponse,
    ImportCollectionRequest,
    ImportCollectionResponse,
    PurgeImagesRequest,
    PurgeImagesResponse,
    RebuildIndexRequest,
    RebuildIndexResponse,
    TuneIndexRequest,
    TuneIndexResponse,
)
from soutu.v1.admin_service_pb2_grpc import AdminServiceStub

Format = ExportCollectionRequest.Format


class Admin:
    """`Client.admin`. Directories are on the server's machine; every call answers at once with the operation
    that does the work."""

    def __init__(self, calls: Calls, operations: Operations) -> None:
        self._calls = calls
        self._operations = operations
        self._stub = AdminServiceStub(calls.channel)

    def backup(self, directory: Path) -> OperationHandle[BackupResponse]:
        """Writes a consistent copy of everything; into an earlier backup only what is new."""
        request = BackupRequest(path=_place(directory))
        return self._operations.handle(self._calls.unary(self._stub.Backup, request), BackupResponse)

    def export(
        self,
        collection: str,
        directory: Path,
        *,
        format: Format.ValueType = Format.FORMAT_UNSPECIFIED,  # noqa: A002  # the contract's word
        without_originals: bool = False,
    ) -> OperationHandle[ExportCollectionResponse]:
        """Writes a collection's images, metadata and embeddings to a directory that is empty or not there."""
        request = made(
            ExportCollectionRequest,
            name=collection_name(collection),
            path=_place(directory),
            format=format,
            without_originals=without_originals,
        )
        operation = self._calls.unary(self._stub.ExportCollection, request)
        return self._operations.handle(operation, ExportCollectionResponse)

    def import_(self, collection: str, directory: Path) -> OperationHandle[ImportCollectionResponse]:
        """Takes an export into a collection that exists; images with the same ids are replaced."""
        request = ImportCollectionRequest(name=collection_name(collection), path=_place(directory))
        operation = self._calls.unary(self._stub.ImportCollection, request)
        return self._operations.handle(operation, ImportCollectionResponse)

    def purge(self, collection: str, images: Sequence[str]) -> OperationHandle[PurgeImagesResponse]:
        """Removes up to 1,000 images of a collection from everywhere, also ones that were deleted before."""
        parent = collection_name(collection)
        names = [image_name(image, collection) for image in checked_texts(images, "images")]
        operation = self._calls.unary(self._stub.PurgeImages, PurgeImagesRequest(parent=parent, names=names))
        return self._operations.handle(operation, PurgeImagesResponse)

    def rebuild_index(self, collection: str) -> OperationHandle[RebuildIndexResponse]:
        """Makes the index of a collection's active generation again, or of the generation that is named."""
        request = RebuildIndexRequest(name=collection_name(collection))
        operation = self._calls.unary(self._stub.RebuildIndex, request)
        return self._operations.handle(operation, RebuildIndexResponse)

    def tune_index(self, collection: str, recall: float = 0.0) -> OperationHandle[TuneIndexResponse]:
        """Finds the smallest candidate list that reaches the recall (0: the default) and keeps it."""
        request = made(TuneIndexRequest, name=collection_name(collection), recall=recall)
        operation = self._calls.unary(self._stub.TuneIndex, request)
        return self._operations.handle(operation, TuneIndexResponse)


def _place(directory: object) -> str:
    return str(checked(directory, Path, "directory", "a pathlib.Path").resolve())

"""A small real gRPC server whose answers a test scripts, and which remembers what it was asked."""

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from soutu.v1 import collection_pb2, collection_service_pb2, image_pb2, image_service_pb2, search_pb2


def failure(code: int, message: str, reason: str = "", **metadata: str) -> status_pb2.Status:
    """A status as Soutu's servers send it."""
    status = status_pb2.Status(code=code, message=message)
    if reason:
        status.details.add().Pack(
            error_details_pb2.ErrorInfo(reason=reason, domain="soutu", metadata=metadata)
        )
    return status


UNAVAILABLE = failure(code_pb2.UNAVAILABLE, "The index is being loaded.", "INDEX_UNREADY")
QUEUE_FULL = failure(code_pb2.RESOURCE_EXHAUSTED, "Too much work is waiting.", "QUEUE_FULL")


class Script:
    """What the next calls meet, and the calls that came.

    Each of `failures` fails one call; `operations` are the states of one operation, the last one for ever.
    """

    def __init__(self) -> None:
        self.failures: list[status_pb2.Status] = []
        self.operations: list[operations_pb2.Operation] = []
        self.content = b""
        self.delay_s = 0.0
        self.calls: list[tuple[str, Any]] = []
        self.metadata: dict[str, str] = {}

    @property
    def methods(self) -> list[str]:
        return [method for method, _ in self.calls]

    def meet(self, method: str, request: object, context: grpc.ServicerContext) -> None:
        """Notes the call, and fails it where a failure waits."""
        self.calls.append((method, request))
        self.metadata = {key: str(value) for key, value in context.invocation_metadata()}
        time.sleep(self.delay_s)
        if self.failures:
            context.abort_with_status(rpc_status.to_status(self.failures.pop(0)))

    def search(
        self, request: search_pb2.SearchRequest, context: grpc.ServicerContext
    ) -> search_pb2.SearchResponse:
        self.meet("Search", request, context)
        page = int(request.page_token or 0)
        match = search_pb2.Match(name=f"match-{page}")
        return search_pb2.SearchResponse(matches=[match], next_page_token=str(page + 1) if page < 2 else "")

    def upload(
        self, request: image_service_pb2.UploadImageRequest, context: grpc.ServicerContext
    ) -> image_service_pb2.UploadImageResponse:
        self.meet("UploadImage", request, context)
        return image_service_pb2.UploadImageResponse(image=request.image, created=True)

    def stream_upload(
        self, messages: Iterator[image_service_pb2.StreamUploadImageRequest], context: grpc.ServicerContext
    ) -> image_service_pb2.UploadImageResponse:
        head, pieces = next(messages).upload, [message.chunk for message in messages]
        self.meet("StreamUploadImage", (head, pieces), context)
        return image_service_pb2.UploadImageResponse(image=head.image, created=True)

    def batch_upload(
        self, request: image_service_pb2.BatchUploadImagesRequest, context: grpc.ServicerContext
    ) -> image_service_pb2.BatchUploadImagesResponse:
        self.meet("BatchUploadImages", request, context)
        answers = [image_service_pb2.UploadImageResponse(image=upload.image) for upload in request.requests]
        results = [image_service_pb2.BatchUploadImagesResult(response=answer) for answer in answers]
        return image_service_pb2.BatchUploadImagesResponse(results=results)

    def list_images(
        self, request: image_service_pb2.ListImagesRequest, context: grpc.ServicerContext
    ) -> image_service_pb2.ListImagesResponse:
        self.meet("ListImages", request, context)
        page = [image_pb2.Image(title=request.page_token)]
        token = "" if request.page_token else "more"
        return image_service_pb2.ListImagesResponse(images=page, next_page_token=token)

    def download(
        self, request: image_service_pb2.DownloadImageRequest, context: grpc.ServicerContext
    ) -> Iterator[image_service_pb2.DownloadImageResponse]:
        self.meet("DownloadImage", request, context)
        header = image_service_pb2.DownloadImageResponse.Header(media_type="image/jpeg", size_bytes=6)
        yield image_service_pb2.DownloadImageResponse(header=header)
        for start in range(0, len(self.content), 2):
            yield image_service_pb2.DownloadImageResponse(chunk=self.content[start : start + 2])

    def create_collection(
        self, request: collection_service_pb2.CreateCollectionRequest, context: grpc.ServicerContext
    ) -> collection_pb2.Collection:
        self.meet("CreateCollection", request, context)
        return collection_pb2.Collection(name=f"collections/{request.collection_id}")

    def delete_collection(
        self, request: collection_service_pb2.DeleteCollectionRequest, context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        self.meet("DeleteCollection", request, context)
        return empty_pb2.Empty()

    def build(
        self, request: collection_service_pb2.BuildCollectionRequest, context: grpc.ServicerContext
    ) -> operations_pb2.Operation:
        self.meet("BuildCollection", request, context)
        return self._next_operation()

    def list_operations(
        self, request: object, context: grpc.ServicerContext
    ) -> operations_pb2.ListOperationsResponse:
        self.meet("ListOperations", request, context)
        return operations_pb2.ListOperationsResponse(operations=self.operations)

    def get_operation(self, request: object, context: grpc.ServicerContext) -> operations_pb2.Operation:
        self.meet("GetOperation", request, context)
        return self._next_operation()

    def wait_operation(self, request: object, context: grpc.ServicerContext) -> operations_pb2.Operation:
        self.meet("WaitOperation", request, context)
        return self._next_operation()

    def _next_operation(self) -> operations_pb2.Operation:
        return self.operations.pop(0) if len(self.operations) > 1 else self.operations[0]


@contextmanager
def served(script: Script) -> Iterator[str]:
    """The script behind a port of this machine; yields its address."""
    server = grpc.server(ThreadPoolExecutor(4), handlers=list(_handlers(script)))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def _handlers(script: Script) -> "Iterable[grpc.GenericRpcHandler[Any, Any]]":
    unary = grpc.unary_unary_rpc_method_handler
    images = {
        "UploadImage": unary(script.upload, image_service_pb2.UploadImageRequest.FromString, _bytes),
        "StreamUploadImage": grpc.stream_unary_rpc_method_handler(
            script.stream_upload, image_service_pb2.StreamUploadImageRequest.FromString, _bytes
        ),
        "BatchUploadImages": unary(
            script.batch_upload, image_service_pb2.BatchUploadImagesRequest.FromString, _bytes
        ),
        "ListImages": unary(script.list_images, image_service_pb2.ListImagesRequest.FromString, _bytes),
        "DownloadImage": grpc.unary_stream_rpc_method_handler(
            script.download, image_service_pb2.DownloadImageRequest.FromString, _bytes
        ),
    }
    collections = {
        "CreateCollection": unary(
            script.create_collection, collection_service_pb2.CreateCollectionRequest.FromString, _bytes
        ),
        "DeleteCollection": unary(
            script.delete_collection, collection_service_pb2.DeleteCollectionRequest.FromString, _bytes
        ),
        "BuildCollection": unary(
            script.build, collection_service_pb2.BuildCollectionRequest.FromString, _bytes
        ),
    }
    operations = {
        "ListOperations": unary(
            script.list_operations, operations_pb2.ListOperationsRequest.FromString, _bytes
        ),
        "GetOperation": unary(script.get_operation, operations_pb2.GetOperationRequest.FromString, _bytes),
        "WaitOperation": unary(script.wait_operation, operations_pb2.WaitOperationRequest.FromString, _bytes),
    }
    services: dict[str, dict[str, Any]] = {
        "soutu.v1.SearchService": {
            "Search": unary(script.search, search_pb2.SearchRequest.FromString, _bytes)
        },
        "soutu.v1.ImageService": images,
        "soutu.v1.CollectionService": collections,
        "google.longrunning.Operations": operations,
    }
    return [grpc.method_handlers_generic_handler(name, methods) for name, methods in services.items()]


def _bytes(message: Any) -> bytes:
    return bytes(message.SerializeToString())

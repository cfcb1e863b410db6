"""Operations, builds and what came of them."""

from pathlib import Path

from google.longrunning import operations_pb2
from google.protobuf.message import Message
from google.rpc import status_pb2

from soutu.domain.errors import Reason, SoutuError, invalid_field
from soutu.domain.image import Keeping
from soutu.domain.operation import Operation, OperationKind, OperationState
from soutu.ingest.site import BuildRequest
from soutu.ingest.sources import DirectorySource
from soutu.rpc.convert.basics import duration, one_of, timestamp
from soutu.rpc.errors import status_of
from soutu.v1 import collection_service_pb2, image_pb2

_PATTERN_LIMIT = 100
_STATES = {
    OperationState.PENDING: collection_service_pb2.OperationMetadata.STATE_PENDING,
    OperationState.RUNNING: collection_service_pb2.OperationMetadata.STATE_RUNNING,
    OperationState.SUCCEEDED: collection_service_pb2.OperationMetadata.STATE_SUCCEEDED,
    OperationState.FAILED: collection_service_pb2.OperationMetadata.STATE_FAILED,
    OperationState.CANCELLED: collection_service_pb2.OperationMetadata.STATE_CANCELLED,
}
_RESPONSES: dict[OperationKind, type[Message]] = {
    OperationKind.BUILD: collection_service_pb2.BuildCollectionResponse,
}


def build_request_of(request: collection_service_pb2.BuildCollectionRequest) -> BuildRequest:
    """What a build was asked for; whether the directory may be read is the build's own question."""
    if not request.HasField("source") or request.source.WhichOneof("kind") is None:
        raise one_of(Reason.FIELD_INVALID, "source", "directory, tar and manifest")
    directory = request.source.directory
    if len(directory.include) + len(directory.exclude) > _PATTERN_LIMIT:
        raise invalid_field("source.directory", f"include and exclude must be at most {_PATTERN_LIMIT}")
    keeping = Keeping.STORED if request.keeping == image_pb2.KEEPING_STORED else Keeping.REFERENCED
    source = DirectorySource(
        Path(directory.path), directory.flat, tuple(directory.include), tuple(directory.exclude)
    )
    return BuildRequest(source, keeping, started_at=0)


def operation_message(operation: Operation) -> operations_pb2.Operation:
    """The message for an operation: metadata always, and the error or response of one that has ended."""
    message = operations_pb2.Operation(name=f"operations/{operation.id}", done=operation.state.final)
    message.metadata.Pack(_metadata(operation))
    if operation.state is OperationState.SUCCEEDED:
        message.response.Pack(_RESPONSES[operation.kind](**operation.result))
    elif operation.state.final:
        message.error.CopyFrom(_error(operation))
    return message


def _error(operation: Operation) -> status_pb2.Status:
    reason = Reason.__members__.get(operation.error_reason, Reason.INTERNAL)
    return status_of(SoutuError(reason, operation.error_message))


def _metadata(operation: Operation) -> collection_service_pb2.OperationMetadata:
    progress = operation.progress
    left = progress.total - progress.done
    known = progress.rate > 0 and progress.total > 0 and not operation.state.final
    return collection_service_pb2.OperationMetadata(
        kind=operation.kind.value,
        target=f"collections/{operation.collection_id}" if operation.collection_id else "",
        state=_STATES[operation.state],
        total=progress.total,
        done=progress.done,
        failed=progress.failed,
        rate=progress.rate,
        time_left=duration(left / progress.rate) if known else None,
        create_time=timestamp(operation.create_time),
        start_time=timestamp(operation.start_time),
        end_time=timestamp(operation.end_time),
        cancel_requested=operation.cancel_requested,
    )

"""Operations and what came of them."""

from google.longrunning import operations_pb2
from google.protobuf.message import Message
from google.rpc import status_pb2

from soutu.domain.errors import Reason, SoutuError
from soutu.domain.operation import Operation, OperationKind, OperationState
from soutu.rpc.convert.basics import duration, timestamp
from soutu.rpc.errors import status_of
from soutu.v1 import admin_service_pb2, collection_pb2, collection_service_pb2

_STATES = {
    OperationState.PENDING: collection_service_pb2.OperationMetadata.STATE_PENDING,
    OperationState.RUNNING: collection_service_pb2.OperationMetadata.STATE_RUNNING,
    OperationState.SUCCEEDED: collection_service_pb2.OperationMetadata.STATE_SUCCEEDED,
    OperationState.FAILED: collection_service_pb2.OperationMetadata.STATE_FAILED,
    OperationState.CANCELLED: collection_service_pb2.OperationMetadata.STATE_CANCELLED,
}
_RESPONSES: dict[OperationKind, type[Message]] = {
    OperationKind.BUILD: collection_service_pb2.BuildCollectionResponse,
    OperationKind.SYNC: collection_service_pb2.SyncCollectionResponse,
    OperationKind.GENERATION: collection_pb2.Generation,
    OperationKind.BACKUP: admin_service_pb2.BackupResponse,
    OperationKind.EXPORT: admin_service_pb2.ExportCollectionResponse,
    OperationKind.IMPORT: admin_service_pb2.ImportCollectionResponse,
    OperationKind.PURGE: admin_service_pb2.PurgeImagesResponse,
    OperationKind.REBUILD: admin_service_pb2.RebuildIndexResponse,
    OperationKind.RELABEL: collection_service_pb2.RelabelImagesResponse,
    OperationKind.TUNE: admin_service_pb2.TuneIndexResponse,
}


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

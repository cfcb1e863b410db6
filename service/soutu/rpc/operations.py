"""google.longrunning.Operations."""

from google.longrunning import operations_pb2, operations_pb2_grpc
from google.protobuf import empty_pb2

from soutu.domain.errors import Reason, SoutuError
from soutu.operations.desk import OperationDesk
from soutu.rpc.calls import Context
from soutu.rpc.convert.basics import page_size
from soutu.rpc.convert.operations import operation_message
from soutu.rpc.listing import list_token, number_after
from soutu.rpc.names import operation_id

_WAIT_S = 30.0
# The share of the time left that a wait may take, so that it can still answer.
_WAIT_SHARE = 0.9


class OperationServicer(operations_pb2_grpc.OperationsServicer):
    """Answers the standard service for long-running operations."""

    def __init__(self, desk: OperationDesk) -> None:
        self._desk = desk

    async def GetOperation(
        self, request: operations_pb2.GetOperationRequest, context: Context
    ) -> operations_pb2.Operation:
        return operation_message(await self._desk.get(operation_id(request.name)))

    async def ListOperations(
        self, request: operations_pb2.ListOperationsRequest, context: Context
    ) -> operations_pb2.ListOperationsResponse:
        if request.filter:
            raise SoutuError(
                Reason.FEATURE_UNIMPLEMENTED, "filter is not implemented by this server yet.", field="filter"
            )
        size = page_size(request.page_size, 100, 1_000)
        found = await self._desk.list(number_after("operations", request.page_token), size + 1)
        more = len(found) > size
        return operations_pb2.ListOperationsResponse(
            operations=[operation_message(each) for each in found[:size]],
            next_page_token=list_token("operations", found[size - 1].uid) if more else "",
        )

    async def WaitOperation(
        self, request: operations_pb2.WaitOperationRequest, context: Context
    ) -> operations_pb2.Operation:
        asked_s = request.timeout.ToNanoseconds() / 1e9 if request.HasField("timeout") else _WAIT_S
        left_s = context.time_remaining()
        wait_s = asked_s if left_s is None else min(asked_s, left_s * _WAIT_SHARE)
        return operation_message(await self._desk.wait(operation_id(request.name), wait_s))

    async def CancelOperation(
        self, request: operations_pb2.CancelOperationRequest, context: Context
    ) -> empty_pb2.Empty:
        await self._desk.cancel(operation_id(request.name))
        return empty_pb2.Empty()

    async def DeleteOperation(
        self, request: operations_pb2.DeleteOperationRequest, context: Context
    ) -> empty_pb2.Empty:
        await self._desk.delete(operation_id(request.name))
        return empty_pb2.Empty()

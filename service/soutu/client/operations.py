"""Long work on the server: followed, waited for, cancelled."""

import time
from collections.abc import Iterator
from typing import Generic, TypeVar

from google.longrunning.operations_pb2 import (
    CancelOperationRequest,
    GetOperationRequest,
    ListOperationsRequest,
    Operation,
    WaitOperationRequest,
)
from google.longrunning.operations_pb2_grpc import OperationsStub
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from soutu.client.calls import Calls
from soutu.client.errors import SoutuCallError, error_of_status
from soutu.client.names import operation_name
from soutu.v1.collection_service_pb2 import (
    ListOperationFailuresRequest,
    OperationFailure,
    OperationMetadata,
)
from soutu.v1.collection_service_pb2_grpc import CollectionServiceStub

ResultT = TypeVar("ResultT", bound=Message)

_ROUND_S = 20.0  # one WaitOperation call; several make a long wait, so that none outlives a broken connection


class Operations:
    """`Client.operations`. Operations are given by full name or id."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._stub = OperationsStub(calls.channel)
        self._collections = CollectionServiceStub(calls.channel)

    def get(self, operation: str) -> Operation:
        """An operation as it is now; `metadata_of` reads its progress."""
        request = GetOperationRequest(name=operation_name(operation))
        return self._calls.unary(self._stub.GetOperation, request)

    def list(self) -> Iterator[Operation]:
        """All operations, page after page as they are asked for."""
        request = ListOperationsRequest(name="operations")
        while True:
            page = self._calls.unary(self._stub.ListOperations, request)
            yield from page.operations
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def cancel(self, operation: str) -> None:
        """Asks it to stop soon; what it has done stays done."""
        request = CancelOperationRequest(name=operation_name(operation))
        self._calls.unary(self._stub.CancelOperation, request)

    def wait(self, operation: str, timeout_s: float | None = None) -> Operation:
        """The operation once it has ended, in success or not, or SoutuCallError DEADLINE_EXCEEDED."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            round_s = _ROUND_S if deadline is None else min(_ROUND_S, deadline - time.monotonic())
            if round_s <= 0:
                raise SoutuCallError("DEADLINE_EXCEEDED", f"{operation} is not done after {timeout_s:g} s")
            answer = self._wait_round(operation, round_s)
            if answer.done:
                return answer

    def _wait_round(self, operation: str, round_s: float) -> Operation:
        timeout = Duration()
        timeout.FromMilliseconds(max(1, round(round_s * 1000)))
        request = WaitOperationRequest(name=operation_name(operation), timeout=timeout)
        return self._calls.unary(self._stub.WaitOperation, request, round_s + self._calls.timeout_s)

    def failures(self, operation: str) -> Iterator[OperationFailure]:
        """The items that it could not handle, in the order met."""
        request = ListOperationFailuresRequest(name=operation_name(operation))
        while True:
            page = self._calls.unary(self._collections.ListOperationFailures, request)
            yield from page.failures
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def handle(self, operation: Operation, result: type[ResultT]) -> "OperationHandle[ResultT]":
        """The means to follow an operation whose response is a `result`."""
        return OperationHandle(self, operation, result)


class OperationHandle(Generic[ResultT]):
    """One operation under way; it goes on when the program ends."""

    def __init__(self, operations: Operations, operation: Operation, result: type[ResultT]) -> None:
        self._operations = operations
        self._result = result
        self._latest = operation

    @property
    def name(self) -> str:
        """operations/{operation}."""
        return str(self._latest.name)

    def progress(self, interval_s: float = 0.25) -> Iterator[OperationMetadata]:
        """How far it is, now and then until it has ended; the last one is final."""
        yield metadata_of(self._latest)
        while not self._latest.done:
            time.sleep(interval_s)
            self._latest = self._operations.get(self.name)
            yield metadata_of(self._latest)

    def wait(self, timeout_s: float | None = None) -> ResultT:
        """Its response once it has ended; raises SoutuCallError where it failed or was cancelled."""
        if not self._latest.done:
            self._latest = self._operations.wait(self.name, timeout_s)
        return result_of(self._latest, self._result)

    def cancel(self) -> None:
        """Asks it to stop soon; what it has done stays done."""
        self._operations.cancel(self.name)

    def failures(self) -> Iterator[OperationFailure]:
        """The items that it could not handle."""
        return self._operations.failures(self.name)


def metadata_of(operation: Operation) -> OperationMetadata:
    """How far an operation is."""
    metadata = OperationMetadata()
    operation.metadata.Unpack(metadata)
    return metadata


def result_of(operation: Operation, result: type[ResultT]) -> ResultT:
    """The response of an operation that has ended; raises its error."""
    if operation.HasField("error"):
        raise error_of_status(operation.error)
    response = result()
    operation.response.Unpack(response)
    return response

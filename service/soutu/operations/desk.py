"""The operations story: list, look, wait, cancel, delete."""

import time
from collections.abc import Sequence

from soutu.domain.errors import Reason, SoutuError
from soutu.domain.operation import Operation
from soutu.domain.writing import Failure
from soutu.operations.runner import OperationRunner
from soutu.ports import OperationCatalog

_LOOK_S = 0.2


class OperationDesk:
    """Answers questions about operations, wherever they run."""

    def __init__(self, catalog: OperationCatalog, runner: OperationRunner) -> None:
        self._catalog = catalog
        self._runner = runner

    async def get(self, operation_id: str) -> Operation:
        """OPERATION_NOT_FOUND."""
        return self._runner.live(await self._catalog.operation(operation_id))

    async def list(self, after_uid: int, limit: int) -> Sequence[Operation]:
        """Operations in the order they were asked for."""
        return [self._runner.live(each) for each in await self._catalog.operations(after_uid, limit)]

    async def wait(self, operation_id: str, timeout_s: float) -> Operation:
        """The operation once it has ended, or as it is after `timeout_s`."""
        end = time.monotonic() + timeout_s
        operation = await self.get(operation_id)
        while not operation.state.final and time.monotonic() < end:
            await self._runner.pause(operation.uid, min(_LOOK_S, max(end - time.monotonic(), 0)))
            operation = await self.get(operation_id)
        return operation

    async def cancel(self, operation_id: str) -> None:
        """Asks the operation to stop; one that has ended stays as it is."""
        operation = await self._catalog.operation(operation_id)
        await self._catalog.request_cancel(operation.uid)
        self._runner.check(operation.uid)
        self._runner.wake()

    async def delete(self, operation_id: str) -> None:
        """Forgets an operation that has ended; OPERATION_UNFINISHED."""
        operation = await self._catalog.operation(operation_id)
        if not operation.state.final:
            raise SoutuError(Reason.OPERATION_UNFINISHED)
        await self._catalog.delete_operation(operation.uid)

    async def failures(self, operation_id: str, after: int, limit: int) -> Sequence[tuple[int, Failure]]:
        """Items that the operation could not handle, with their place in the order met."""
        operation = await self._catalog.operation(operation_id)
        return await self._catalog.failures(operation.uid, after, limit)

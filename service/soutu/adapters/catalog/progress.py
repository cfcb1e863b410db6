"""How far an operation has come, recorded by its heartbeats and by the shards that it commits."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from soutu.adapters.catalog.tables import operation_failures, operations
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.operation import OperationKind, OperationState
from soutu.domain.writing import Checkpoint, Failure


async def record_checkpoint(connection: AsyncConnection, checkpoint: Checkpoint, now: datetime) -> None:
    """Records cursor, numbers and failures; IMAGE_CHANGED_MEANWHILE if the operation is not running, or (with
    an owner) is held by another."""
    await _refuse_stopped(connection, checkpoint)
    await connection.execute(
        update(operations)
        .where(operations.c.uid == checkpoint.operation_uid)
        .values(cursor=checkpoint.cursor, done=checkpoint.done, failed=checkpoint.failed, update_time=now)
    )
    await _insert_failures(connection, checkpoint.operation_uid, checkpoint.failures)


async def record_unfollowed(
    connection: AsyncConnection, generation_uid: int, failures: Sequence[Failure], *, anew: bool
) -> None:
    """Adds failures to those of the unfinished operation that builds the generation, if there is one; with
    `anew` in the place of those."""
    building = (
        operations.c.kind == OperationKind.GENERATION.value,
        operations.c.state.in_((OperationState.PENDING.value, OperationState.RUNNING.value)),
    )
    works = await connection.execute(select(operations.c.uid, operations.c.request).where(*building))
    uid = next((work.uid for work in works if work.request["uid"] == generation_uid), None)
    if uid is None:
        return
    if anew:
        await connection.execute(delete(operation_failures).where(operation_failures.c.operation_uid == uid))
    await _insert_failures(connection, uid, failures)


async def _insert_failures(connection: AsyncConnection, uid: int, failures: Sequence[Failure]) -> None:
    if not failures:
        return
    rows = [
        {"operation_uid": uid, "subject": each.subject, "reason": each.reason, "message": each.message}
        for each in failures
    ]
    await connection.execute(insert(operation_failures), rows)


async def _refuse_stopped(connection: AsyncConnection, checkpoint: Checkpoint) -> None:
    statement = (
        select(operations.c.state, operations.c.lease_owner)
        .where(operations.c.uid == checkpoint.operation_uid)
        .with_for_update()
    )
    row = (await connection.execute(statement)).first()
    running = row is not None and row.state == OperationState.RUNNING.value
    if not running or (checkpoint.owner and row is not None and row.lease_owner != checkpoint.owner):
        raise SoutuError(Reason.IMAGE_CHANGED_MEANWHILE, "The operation was cancelled or taken over.")

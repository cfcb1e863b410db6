"""Operations with their leases."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, and_, delete, exists, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from soutu.adapters.catalog.part import CatalogPart
from soutu.adapters.catalog.tables import collections, operation_failures, operations
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.operation import (
    UNFINISHED_LIMIT,
    Holding,
    Operation,
    OperationKind,
    OperationState,
    Progress,
)
from soutu.domain.writing import Failure

_PENDING, _RUNNING = OperationState.PENDING.value, OperationState.RUNNING.value


class SqlOperations(CatalogPart):
    """Keeps the operation part of the Catalog port."""

    async def create_operation(
        self, kind: OperationKind, collection_uid: int, collection_id: str, request: Mapping[str, object]
    ) -> Operation:
        """A PENDING operation with an id of its own; COLLECTION_BUSY where it would fill a collection that an
        unfinished operation fills, BACKUP_RUNNING for a backup beside an unfinished one, QUEUE_FULL."""
        values = _new(self._clock.now()) | {
            "kind": kind.value,
            "collection_uid": collection_uid,
            "collection_id": collection_id,
            "request": dict(request),
        }

        async def create(connection: AsyncConnection) -> Operation:
            if kind.fills:
                await _refuse_busy(connection, collection_uid)
            if kind is OperationKind.BACKUP:
                await _refuse_second_backup(connection)
            return await _insert(connection, values)

        return await self._database.write(create)

    async def operation(self, operation_id: str) -> Operation:
        """The operation with this id; OPERATION_NOT_FOUND."""
        rows = await self._database.mappings(select(operations).where(operations.c.id == operation_id))
        if not rows:
            raise SoutuError(Reason.OPERATION_NOT_FOUND)
        return _operation_of(rows[0])

    async def operations(self, after_uid: int, limit: int) -> Sequence[Operation]:
        """Up to `limit` operations with uid > `after_uid`, oldest first."""
        statement = (
            select(operations).where(operations.c.uid > after_uid).order_by(operations.c.uid).limit(limit)
        )
        return [_operation_of(row) for row in await self._database.mappings(statement)]

    async def claim_operation(self, owner: str, lease_s: float) -> Operation | None:
        """The oldest operation that is PENDING, or RUNNING with no lease left, now held by `owner`. While one
        that renews a collection's indexes is at work, in whichever process, others of these wait."""
        now = self._clock.now()
        lease = {"lease_owner": owner, "lease_until": now + timedelta(seconds=lease_s)}

        async def claim(connection: AsyncConnection) -> Operation | None:
            statement = select(operations).where(_claimable(now)).order_by(operations.c.uid).limit(1)
            row = (await connection.execute(statement.with_for_update())).mappings().first()
            if row is None:
                return None
            start = row["start_time"] or now
            values = lease | {"state": _RUNNING, "start_time": start, "update_time": now}
            await _update(connection, row["uid"], values)
            return _operation_of({**row, **values})

        return await self._database.write(claim)

    async def heartbeat(self, uid: int, owner: str, lease_s: float, progress: Progress) -> Holding:
        """Extends the lease, also one that has run out, and records progress; STOPPING when cancellation was
        asked for. Records nothing of an operation that is gone (STOPPING) or not held by `owner` (LOST)."""
        now = self._clock.now()
        values = _numbers(progress) | {"lease_until": now + timedelta(seconds=lease_s), "update_time": now}

        async def beat(connection: AsyncConnection) -> Holding:
            row = await _held(connection, uid, owner)
            if row is None:
                own = select(operations.c.uid).where(operations.c.uid == uid)
                gone = (await connection.execute(own)).first() is None
                return Holding.STOPPING if gone else Holding.LOST
            await _update(connection, uid, values)
            return Holding.STOPPING if row["cancel_requested"] else Holding.HELD

        return await self._database.write(beat)

    async def request_cancel(self, uid: int) -> None:
        """Asks an unfinished operation to stop; leaves a finished one as it is. OPERATION_NOT_FOUND.

        One that is PENDING is ended by who claims it, so that its work can tidy up.
        """
        now = self._clock.now()

        async def cancel(connection: AsyncConnection) -> None:
            if not OperationState((await _row(connection, uid))["state"]).final:
                await _update(connection, uid, {"cancel_requested": True, "update_time": now})

        await self._database.write(cancel)

    async def finish_operation(
        self,
        uid: int,
        owner: str,
        state: OperationState,
        progress: Progress,
        *,
        result: Mapping[str, object] | None = None,
        error_reason: str = "",
        error_message: str = "",
    ) -> None:
        """Ends the operation in a final state; does nothing when `owner` no longer holds it."""
        now = self._clock.now()
        values = _numbers(progress) | _end(state, now)
        values |= {"result": dict(result or {}), "error_reason": error_reason, "error_message": error_message}

        async def finish(connection: AsyncConnection) -> None:
            if await _held(connection, uid, owner) is not None:
                await _update(connection, uid, values | {"update_time": now})

        await self._database.write(finish)

    async def release_operations(self) -> None:
        """Takes every lease away, so that whatever a former process was running can be claimed at once."""

        async def release(connection: AsyncConnection) -> None:
            held = operations.c.state == _RUNNING
            await connection.execute(update(operations).where(held).values(lease_owner="", lease_until=None))

        await self._database.write(release)

    async def delete_operation(self, uid: int) -> None:
        """Forgets a finished operation and its failures: OPERATION_NOT_FOUND, OPERATION_UNFINISHED."""

        async def forget(connection: AsyncConnection) -> None:
            if not OperationState((await _row(connection, uid))["state"]).final:
                raise SoutuError(Reason.OPERATION_UNFINISHED)
            await delete_operations(connection, operations.c.uid == uid)

        await self._database.write(forget)

    async def failures(self, uid: int, after: int, limit: int) -> Sequence[tuple[int, Failure]]:
        """Up to `limit` failures numbered above `after`, with their numbers, in the order of recording."""
        table = operation_failures.c
        statement = (
            select(table.uid, table.subject, table.reason, table.message)
            .where(table.operation_uid == uid, table.uid > after)
            .order_by(table.uid)
            .limit(limit)
        )
        rows = await self._database.rows(statement)
        return [(number, Failure(subject, reason, message)) for number, subject, reason, message in rows]


async def insert_generation_work(
    connection: AsyncConnection, collection: tuple[int, str], request: Mapping[str, object], now: datetime
) -> Operation:
    """The operation that builds a new generation of the collection of this uid and id."""
    uid, name = collection
    own = {"collection_uid": uid, "collection_id": name, "request": dict(request)}
    return await _insert(connection, _new(now) | own | {"kind": OperationKind.GENERATION.value})


async def delete_operations(connection: AsyncConnection, which: ColumnElement[bool]) -> None:
    """Forgets operations, in whatever state, and their failures."""
    uids = select(operations.c.uid).where(which)
    await connection.execute(delete(operation_failures).where(operation_failures.c.operation_uid.in_(uids)))
    await connection.execute(delete(operations).where(which))


async def _insert(connection: AsyncConnection, values: Mapping[str, object]) -> Operation:
    unfinished = select(func.count()).where(operations.c.state.in_((_PENDING, _RUNNING)))
    if ((await connection.execute(unfinished)).scalar() or 0) >= UNFINISHED_LIMIT:
        message = f"{UNFINISHED_LIMIT} operations are unfinished; wait for some or cancel them."
        raise SoutuError(Reason.QUEUE_FULL, message)
    inserted = await connection.execute(insert(operations).values(values))
    return _operation_of({**values, "uid": inserted.lastrowid})


async def _refuse_busy(connection: AsyncConnection, collection_uid: int) -> None:
    # Locked first, so that of two that ask at once the second one sees the first one's operation.
    locked = select(collections.c.uid).where(collections.c.uid == collection_uid).with_for_update()
    await connection.execute(locked)
    busy = (
        operations.c.collection_uid == collection_uid,
        operations.c.state.in_((_PENDING, _RUNNING)),
        operations.c.kind.in_([kind.value for kind in OperationKind if kind.fills]),
    )
    statement = select(operations.c.id, operations.c.kind).where(*busy)
    row = (await connection.execute(statement)).first()
    if row is not None:
        message = f"The {row.kind} operations/{row.id} is filling the collection; wait for it or cancel it."
        raise SoutuError(Reason.COLLECTION_BUSY, message, operation=f"operations/{row.id}")


async def _refuse_second_backup(connection: AsyncConnection) -> None:
    busy = operations.c.kind == OperationKind.BACKUP.value, operations.c.state.in_((_PENDING, _RUNNING))
    row = (await connection.execute(select(operations.c.id).where(*busy))).first()
    if row is not None:
        message = f"The backup operations/{row.id} is being made; wait for it or cancel it."
        raise SoutuError(Reason.BACKUP_RUNNING, message, operation=f"operations/{row.id}")


def _claimable(now: datetime) -> ColumnElement[bool]:
    lapsed = or_(operations.c.lease_until.is_(None), operations.c.lease_until < now)
    free = or_(operations.c.state == _PENDING, and_(operations.c.state == _RUNNING, lapsed))
    return and_(free, ~_behind_another())


def _behind_another() -> ColumnElement[bool]:
    """Whether an operation has to wait for another one that renews the same collection's indexes. Of two that
    were begun at once the younger may be seen, and taken, first."""
    other = operations.alias("other")
    renewing = [kind.value for kind in OperationKind if kind.renews]
    at_work = and_(operations.c.state == _PENDING, other.c.state == _RUNNING)
    return exists().where(
        operations.c.kind.in_(renewing),
        other.c.kind.in_(renewing),
        other.c.collection_uid == operations.c.collection_uid,
        other.c.uid != operations.c.uid,
        other.c.state.in_((_PENDING, _RUNNING)),
        or_(other.c.uid < operations.c.uid, at_work),
    )


def _new(now: datetime) -> dict[str, object]:
    return {
        "id": f"op-{uuid4().hex}",
        "state": _PENDING,
        "create_time": now,
        "update_time": now,
        "total": 0,
        "done": 0,
        "failed": 0,
        "cursor": "",
        "cancel_requested": False,
        "error_reason": "",
        "error_message": "",
        "result": {},
        "lease_owner": "",
        "start_time": None,
        "end_time": None,
    }


def _numbers(progress: Progress) -> dict[str, object]:
    return {"total": progress.total, "done": progress.done, "failed": progress.failed}


def _end(state: OperationState, now: datetime) -> dict[str, object]:
    return {"state": state.value, "end_time": now, "lease_owner": "", "lease_until": None}


async def _row(connection: AsyncConnection, uid: int) -> Mapping[Any, Any]:
    """The operation's row, locked until the transaction ends; OPERATION_NOT_FOUND."""
    statement = select(operations).where(operations.c.uid == uid).with_for_update()
    row = (await connection.execute(statement)).mappings().first()
    if row is None:
        raise SoutuError(Reason.OPERATION_NOT_FOUND)
    return row


async def _held(connection: AsyncConnection, uid: int, owner: str) -> Mapping[Any, Any] | None:
    """The row of the operation if it is RUNNING and `owner` holds it, even past its lease."""
    holding = operations.c.state == _RUNNING, operations.c.lease_owner == owner
    statement = select(operations).where(operations.c.uid == uid, *holding).with_for_update()
    return (await connection.execute(statement)).mappings().first()


async def _update(connection: AsyncConnection, uid: int, values: Mapping[str, object]) -> None:
    await connection.execute(update(operations).where(operations.c.uid == uid).values(**values))


def _operation_of(row: Mapping[Any, Any]) -> Operation:
    return Operation(
        uid=row["uid"],
        id=row["id"],
        kind=OperationKind(row["kind"]),
        collection_uid=row["collection_uid"],
        collection_id=row["collection_id"],
        state=OperationState(row["state"]),
        request=row["request"],
        create_time=row["create_time"],
        update_time=row["update_time"],
        progress=Progress(row["total"], row["done"], row["failed"]),
        cursor=row["cursor"],
        cancel_requested=row["cancel_requested"],
        error_reason=row["error_reason"],
        error_message=row["error_message"],
        result=row["result"],
        start_time=row["start_time"],
        end_time=row["end_time"],
    )

"""Purging: what the catalogue still says of deleted images.

A tombstone must outlive the purge for as long as an upload that began before the deletion could still end, so
it stays, with hashes in place of the id.
"""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Text, delete, or_, select, type_coerce, update
from sqlalchemy.ext.asyncio import AsyncConnection

from soutu.adapters.catalog.contents import idle_contents
from soutu.adapters.catalog.part import CatalogPart
from soutu.adapters.catalog.progress import record_checkpoint
from soutu.adapters.catalog.rows import chunks, hashed_id
from soutu.adapters.catalog.tables import (
    contents,
    operation_failures,
    operations,
    requests,
    tombstones,
)
from soutu.domain.errors import Reason
from soutu.domain.operation import OperationKind, OperationState
from soutu.domain.writing import Checkpoint

_CHUNK = 300
_QUOTED_CHUNK = 100  # SQLite takes no expression deeper than 1,000
_ENDED = [state.value for state in OperationState if state.final]
_PURGED = {"reason": Reason.IMAGE_NOT_FOUND.name, "message": "The image was purged.", "metadata": {}}


class SqlPurging(CatalogPart):
    """Keeps the purging part of the Catalog port."""

    async def bar_deleted(self, collection_uid: int, ids: Sequence[str]) -> tuple[int, Sequence[str]]:
        """How many deleted images of these ids are known, and the sha256s of the contents that only they
        used. Nobody can hold those until `forget_contents`."""

        async def bar(connection: AsyncConnection) -> tuple[int, Sequence[str]]:
            rows = await _stones(connection, collection_uid, ids)
            idle = await idle_contents(connection, {sha256 for _, sha256 in rows if sha256})
            for some in chunks(idle, _CHUNK):
                own = contents.c.sha256.in_(some)
                await connection.execute(
                    update(contents).where(own).values(removing=True, marked_time=self._clock.now())
                )
            return len(rows), idle

        return await self._database.write(bar)

    async def forget_deleted(
        self, collection_uid: int, ids: Sequence[str], paths: Sequence[str], checkpoint: Checkpoint
    ) -> None:
        """Forgets the ids and paths of deleted images: tombstones, remembered answers, failures and results
        of operations, and the request of the checkpoint's own operation, whose cursor is written with it.
        IMAGE_CHANGED_MEANWHILE where that operation is no longer running."""

        async def forget(connection: AsyncConnection) -> None:
            await record_checkpoint(connection, checkpoint, self._clock.now())
            rows = await _stones(connection, collection_uid, ids)
            await _forget_answers(connection, collection_uid, [uid for uid, _ in rows])
            await _forget_stones(connection, collection_uid, ids)
            await _forget_failures(connection, collection_uid, [*ids, *paths])
            await _forget_results(connection, collection_uid, [*ids, *paths])
            own = operations.c.uid == checkpoint.operation_uid
            await connection.execute(update(operations).where(own).values(request={}))

        await self._database.write(forget)


async def _stones(
    connection: AsyncConnection, collection_uid: int, ids: Sequence[str]
) -> list[tuple[int, str | None]]:
    found: list[tuple[int, str | None]] = []
    for some in chunks([*ids, *map(hashed_id, ids)], _CHUNK):
        own = tombstones.c.collection_uid == collection_uid, tombstones.c.id.in_(some)
        rows = await connection.execute(select(tombstones.c.uid, tombstones.c.sha256).where(*own))
        found += [(row.uid, row.sha256) for row in rows]
    return found


async def _forget_stones(connection: AsyncConnection, collection_uid: int, ids: Sequence[str]) -> None:
    for image_id in ids:
        own = tombstones.c.collection_uid == collection_uid, tombstones.c.id == image_id
        values = {"id": hashed_id(image_id), "sha256": None}
        await connection.execute(update(tombstones).where(*own).values(**values))


async def _forget_answers(connection: AsyncConnection, collection_uid: int, uids: Sequence[int]) -> None:
    """A retry is told that the image was purged, so that it does not bring it back."""
    for some in chunks(uids, _CHUNK):
        quoting = or_(*(_has(requests.c.outcomes, f'"image":[{uid},') for uid in some))
        own = requests.c.collection_uid == collection_uid, quoting
        rows = (
            await connection.execute(select(requests.c.request_id, requests.c.outcomes).where(*own))
        ).all()
        for row in rows:
            outcomes = [_PURGED if _quotes(each, some) else each for each in row.outcomes]
            one = requests.c.collection_uid == collection_uid, requests.c.request_id == row.request_id
            await connection.execute(update(requests).where(*one).values(outcomes=outcomes))


def _quotes(outcome: dict[str, Any], uids: Sequence[int]) -> bool:
    image = outcome.get("image")
    return image is not None and image[0] in uids


async def _forget_failures(connection: AsyncConnection, collection_uid: int, names: Sequence[str]) -> None:
    own = select(operations.c.uid).where(operations.c.collection_uid == collection_uid)
    for some in chunks(names, _CHUNK):
        named = operation_failures.c.subject.in_(some)
        mentioned = or_(*(_has(operation_failures.c.message, f"image {name} ") for name in some))
        mine = operation_failures.c.operation_uid.in_(own), or_(named, mentioned)
        await connection.execute(delete(operation_failures).where(*mine))


async def _forget_results(connection: AsyncConnection, collection_uid: int, names: Sequence[str]) -> None:
    """Ended operations lose cursor and result where these quote one of the names, and earlier purges their
    request."""
    purge = operations.c.kind == OperationKind.PURGE.value
    ended = operations.c.collection_uid == collection_uid, operations.c.state.in_(_ENDED)
    await connection.execute(update(operations).where(*ended, purge).values(cursor="", request={}))
    for some in chunks(names, _QUOTED_CHUNK):
        quoted = {json.dumps(name, ensure_ascii=ascii_only) for name in some for ascii_only in (True, False)}
        columns = operations.c.cursor, operations.c.result
        quoting = or_(*(_has(column, text) for column in columns for text in quoted))
        rows = (await connection.execute(select(operations).where(*ended, quoting))).mappings().all()
        for row in rows:
            result = {name: value for name, value in row["result"].items() if not isinstance(value, list)}
            one = operations.c.uid == row["uid"]
            await connection.execute(update(operations).where(one).values(cursor="", result=result))


def _has(column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    return type_coerce(column, Text).contains(text, autoescape=True)

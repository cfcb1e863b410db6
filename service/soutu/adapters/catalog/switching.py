"""Switching from one generation to another while nobody commits to their collection."""

from collections.abc import Awaitable, Callable

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from soutu.adapters.catalog.engine import Database
from soutu.adapters.catalog.tables import collections
from soutu.domain.errors import Reason, SoutuError


async def locked(connection: AsyncConnection, collection_uid: int) -> tuple[str, int]:
    """The collection's id and revision, its row locked until the transaction ends; COLLECTION_NOT_FOUND."""
    own = collections.c.uid == collection_uid, collections.c.id.is_not(None)
    statement = select(collections.c.id, collections.c.revision).where(*own).with_for_update()
    row = (await connection.execute(statement)).first()
    if row is None:
        raise SoutuError(Reason.COLLECTION_NOT_FOUND)
    return row.id, row.revision


async def switched(
    database: Database,
    collection_uid: int,
    caught_up: Callable[[int], Awaitable[bool]],
    switch: Callable[[AsyncConnection], Awaitable[None]],
) -> bool:
    """Does `switch` at a revision that `caught_up` says yes to, with no commit in between; false, doing
    nothing, where it says no, or where there was one.

    On a server the collection's row is locked meanwhile, which commits of every process wait for. A file has
    one process, whose follower could write nothing beside such a transaction: there `caught_up` is asked
    before, and the caller has his own commits held.
    """
    known = await _revision(database, collection_uid) if database.is_file else None
    if known is not None and not await caught_up(known):
        return False

    async def work(connection: AsyncConnection) -> bool:
        _, revision = await locked(connection, collection_uid)
        agreed = revision == known if database.is_file else await caught_up(revision)
        if agreed:
            await switch(connection)
        return agreed

    return await database.write(work)


async def _revision(database: Database, collection_uid: int) -> int | None:
    rows = await database.rows(select(collections.c.revision).where(collections.c.uid == collection_uid))
    return int(rows[0][0]) if rows else None

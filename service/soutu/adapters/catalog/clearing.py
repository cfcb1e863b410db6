"""Removal of what is no longer needed: deleted collections, old request ids, tombstones."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from soutu.adapters.catalog.collections import followed_by_all, retire
from soutu.adapters.catalog.contents import idle_contents
from soutu.adapters.catalog.embeddings import drop_embeddings
from soutu.adapters.catalog.operations import delete_operations
from soutu.adapters.catalog.part import CatalogPart
from soutu.adapters.catalog.rows import chunks
from soutu.adapters.catalog.tables import collections, images, operations, requests, tombstones

_CHUNK = 500


class SqlClearing(CatalogPart):
    """Keeps the clearing part of the Catalog port."""

    async def delete_collection(self, uid: int) -> None:
        """Frees the id at once, then removes the rows in runs between which other writes get their turn.

        What an interruption leaves is removed by the next call, or by `finish_deletions`.
        """

        async def begin(connection: AsyncConnection) -> None:
            await retire(connection, uid)
            await delete_operations(connection, operations.c.collection_uid == uid)

        async def some(connection: AsyncConnection) -> bool:
            return await _remove_some_images(connection, uid)

        async def end(connection: AsyncConnection) -> None:
            await connection.execute(delete(tombstones).where(tombstones.c.collection_uid == uid))
            await connection.execute(delete(requests).where(requests.c.collection_uid == uid))
            await connection.execute(delete(collections).where(collections.c.uid == uid))

        await self._database.write(begin, self._database.memory.clear)
        while await self._database.write(some):
            pass
        await self._database.write(end)

    async def finish_deletions(self) -> None:
        """Removes the rest of collections whose deletion was interrupted."""
        retired = select(collections.c.uid).where(collections.c.id.is_(None))
        for (uid,) in await self._database.rows(retired):
            await self.delete_collection(uid)

    async def prune(self, before: datetime) -> None:
        """Forgets request ids and tombstones older than `before`, but no tombstone that an index has still to
        follow. A put with `started_at` older than that can no longer see them."""
        followed = followed_by_all(tombstones.c.collection_uid)
        old = tombstones.c.create_time < before, tombstones.c.revision <= followed

        async def forget(connection: AsyncConnection) -> None:
            await connection.execute(delete(requests).where(requests.c.create_time < before))
            await connection.execute(delete(tombstones).where(*old))

        await self._database.write(forget)


async def _remove_some_images(connection: AsyncConnection, collection_uid: int) -> bool:
    """Removes a run of images and the embeddings that none needs now; false when there was none left."""
    own = select(images.c.uid, images.c.sha256).where(images.c.collection_uid == collection_uid)
    rows = (await connection.execute(own.limit(_CHUNK))).all()
    if rows:
        await connection.execute(delete(images).where(images.c.uid.in_([row.uid for row in rows])))
        await _drop_unused(connection, sorted({row.sha256 for row in rows}))
    return bool(rows)


async def _drop_unused(connection: AsyncConnection, sha256s: Sequence[str]) -> None:
    for some in chunks(await idle_contents(connection, sha256s), _CHUNK):
        await drop_embeddings(connection, some)

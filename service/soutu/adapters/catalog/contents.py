"""Contents: which are there, and the two-step sweep of those that no image uses."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import delete, exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from soutu.adapters.catalog.embeddings import drop_embeddings, insert_new
from soutu.adapters.catalog.part import CatalogPart
from soutu.adapters.catalog.rows import chunks, content_values
from soutu.adapters.catalog.tables import contents, images
from soutu.domain.image import Content

_CHUNK = 500
_UNUSED = ~exists().where(images.c.sha256 == contents.c.sha256)


class SqlContents(CatalogPart):
    """Keeps the content part of the Catalog port."""

    async def has_content(self, sha256: str) -> bool:
        """Whether the content is known. A mark on it is taken off, so that the caller may rely on its object
        for as long as a sweep's grace lasts."""
        own = contents.c.sha256 == sha256
        rows = await self._database.rows(select(contents.c.marked_time).where(own))
        if not rows:
            return False
        if rows[0][0] is None:
            return True

        async def spare(connection: AsyncConnection) -> bool:
            await unmark(connection, [sha256])
            return (await connection.execute(select(contents.c.sha256).where(own))).first() is not None

        return await self._database.write(spare)

    async def swept_contents(self, marked_before: datetime, limit: int) -> Sequence[str]:
        """Marks up to `limit` contents that no image uses; returns up to `limit` marked before that moment
        and still unused, having forgotten them and their embeddings, so that their objects may go."""
        now = self._clock.now()
        # Looked for before the transaction, which no other write should have to wait for.
        idle = select(contents.c.sha256).where(contents.c.marked_time.is_(None), _UNUSED).limit(limit)
        candidates = [sha256 for (sha256,) in await self._database.rows(idle)]

        async def sweep(connection: AsyncConnection) -> Sequence[str]:
            gone = await _forget_marked(connection, marked_before, limit)
            for some in chunks(candidates, _CHUNK):
                still_idle = contents.c.sha256.in_(some), _UNUSED
                await connection.execute(update(contents).where(*still_idle).values(marked_time=now))
            return gone

        return await self._database.write(sweep)


async def keep_contents(connection: AsyncConnection, given: Iterable[Content], now: datetime) -> None:
    """Records contents that are new, and takes the mark off those that a sweep had marked."""
    values = [{**content_values(content), "create_time": now} for content in given]
    if values:
        await connection.execute(insert_new(contents), values)
        await unmark(connection, [value["sha256"] for value in values])


async def unmark(connection: AsyncConnection, sha256s: Sequence[str]) -> None:
    """Takes the sweep's mark off these contents."""
    for some in chunks(sha256s, _CHUNK):
        marked = contents.c.sha256.in_(some), contents.c.marked_time.is_not(None)
        await connection.execute(update(contents).where(*marked).values(marked_time=None))


async def _forget_marked(connection: AsyncConnection, before: datetime, limit: int) -> Sequence[str]:
    marked = select(contents.c.sha256).where(contents.c.marked_time < before, _UNUSED).limit(limit)
    gone = (await connection.execute(marked)).scalars().all()
    for some in chunks(gone, _CHUNK):
        await drop_embeddings(connection, some)
        await connection.execute(delete(contents).where(contents.c.sha256.in_(some)))
    return gone

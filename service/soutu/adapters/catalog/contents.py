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

    async def hold_contents(self, given: Sequence[Content]) -> bool:
        """Records contents whose objects are about to be stored or relied upon, for as long as a sweep's
        grace lasts; false, and nothing is held, while a sweep is removing one of them."""
        now, sha256s = self._clock.now(), [content.sha256 for content in given]

        async def hold(connection: AsyncConnection) -> bool:
            leaving = select(contents.c.sha256).where(contents.c.sha256.in_(sha256s), contents.c.removing)
            if (await connection.execute(leaving)).first():
                return False
            await keep_contents(connection, given, now)
            return True

        return await self._database.write(hold)

    async def swept_contents(self, marked_before: datetime, limit: int) -> Sequence[str]:
        """Marks up to `limit` contents that no image uses; returns up to `limit` that were marked before that
        moment and are still unused. Those are held by nobody until `forget_contents`, which follows when
        their objects are gone."""
        now = self._clock.now()
        # Looked for before the transaction, which no other write should have to wait for.
        idle = select(contents.c.sha256).where(contents.c.marked_time.is_(None), _UNUSED).limit(limit)
        candidates = [sha256 for (sha256,) in await self._database.rows(idle)]

        async def sweep(connection: AsyncConnection) -> Sequence[str]:
            leaving = await _begin_removing(connection, marked_before, limit)
            for some in chunks(candidates, _CHUNK):
                still_idle = contents.c.sha256.in_(some), _UNUSED
                await connection.execute(update(contents).where(*still_idle).values(marked_time=now))
            return leaving

        return await self._database.write(sweep)

    async def forget_contents(self, sha256s: Sequence[str]) -> None:
        """Forgets swept contents, with their embeddings; one that an image uses by now stays."""

        async def forget(connection: AsyncConnection) -> None:
            for some in chunks(sha256s, _CHUNK):
                await _forget(connection, some)

        await self._database.write(forget)


async def keep_contents(connection: AsyncConnection, given: Iterable[Content], now: datetime) -> None:
    """Records contents that are new, and takes the mark off those that a sweep had marked."""
    values = [{**content_values(content), "create_time": now, "removing": False} for content in given]
    if values:
        await connection.execute(insert_new(contents), values)
        await unmark(connection, [value["sha256"] for value in values])


async def unmark(connection: AsyncConnection, sha256s: Sequence[str]) -> None:
    """Takes the sweep's mark off these contents."""
    for some in chunks(sha256s, _CHUNK):
        marked = contents.c.sha256.in_(some), contents.c.marked_time.is_not(None)
        await connection.execute(update(contents).where(*marked).values(marked_time=None))


async def _begin_removing(connection: AsyncConnection, before: datetime, limit: int) -> Sequence[str]:
    marked = select(contents.c.sha256).where(contents.c.marked_time < before, _UNUSED).limit(limit)
    leaving = (await connection.execute(marked)).scalars().all()
    for some in chunks(leaving, _CHUNK):
        await connection.execute(update(contents).where(contents.c.sha256.in_(some)).values(removing=True))
    return leaving


async def _forget(connection: AsyncConnection, sha256s: Sequence[str]) -> None:
    own = contents.c.sha256.in_(sha256s)
    idle = (await connection.execute(select(contents.c.sha256).where(own, _UNUSED))).scalars().all()
    if idle:
        await drop_embeddings(connection, idle)
        await connection.execute(delete(contents).where(contents.c.sha256.in_(idle)))
    await connection.execute(update(contents).where(own).values(removing=False))

"""Contents: which are there, and the two-step sweep of those that no image uses."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, and_, delete, exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from soutu.adapters.catalog.embeddings import drop_embeddings, insert_new
from soutu.adapters.catalog.part import CatalogPart
from soutu.adapters.catalog.rows import chunks, content_values
from soutu.adapters.catalog.tables import contents, images
from soutu.domain.image import Content

_CHUNK = 500
_EVER = datetime(9999, 1, 1, tzinfo=UTC)
_UNUSED = ~exists().where(images.c.sha256 == contents.c.sha256)


class SqlContents(CatalogPart):
    """Keeps the content part of the Catalog port."""

    async def hold_contents(self, given: Sequence[Content]) -> bool:
        """Records contents whose objects are about to be stored or relied upon, for as long as a sweep's
        grace lasts; false, and nothing is held, while a sweep is removing one of them."""
        now, sha256s = self._clock.now(), [content.sha256 for content in given]

        async def hold(connection: AsyncConnection) -> bool:
            if any((await locked_contents(connection, sha256s)).values()):
                return False
            await keep_contents(connection, given, now)
            return True

        return await self._database.write(hold)

    async def swept_contents(
        self, marked_before: datetime, limit: int, barred_before: datetime | None = None
    ) -> Sequence[str]:
        """Marks up to `limit` contents that no image uses; returns up to `limit` that were marked before that
        moment and are still unused. Those are held by nobody until `forget_contents`, which follows when
        their objects are gone. Of those that an earlier sweep has barred it returns only what was barred
        before the other moment, or all of them without one."""
        now = self._clock.now()
        # Looked for before the transaction, which no other write should have to wait for.
        idle = select(contents.c.sha256).where(contents.c.marked_time.is_(None), _UNUSED).limit(limit)
        candidates = [sha256 for (sha256,) in await self._database.rows(idle)]

        async def sweep(connection: AsyncConnection) -> Sequence[str]:
            due = contents.c.marked_time < marked_before, contents.c.removing.is_(False)
            left = (contents.c.removing, contents.c.marked_time < (barred_before or _EVER))
            leaving = await _begin_removing(connection, or_(and_(*due), and_(*left)), limit, now)
            for some in chunks(await idle_contents(connection, candidates), _CHUNK):
                own = contents.c.sha256.in_(some)
                await connection.execute(update(contents).where(own).values(marked_time=now))
            return leaving

        return await self._database.write(sweep)

    async def forget_contents(self, sha256s: Sequence[str]) -> None:
        """Forgets swept contents, with their embeddings; one that an image uses by now stays."""

        async def forget(connection: AsyncConnection) -> None:
            for some in chunks(sha256s, _CHUNK):
                await _forget(connection, some)

        await self._database.write(forget)


async def locked_contents(connection: AsyncConnection, sha256s: Iterable[str]) -> Mapping[str, bool]:
    """Those of the contents that are known, each with whether it is being removed, locked until the
    transaction ends: until then no other commit takes one of them up, and no sweep or purge removes it.

    What uses them is to be read after this. Locked in one order, so that nobody waits in a circle.
    """
    found: dict[str, bool] = {}
    for some in chunks(sorted(set(sha256s)), _CHUNK):
        own = select(contents.c.sha256, contents.c.removing).where(contents.c.sha256.in_(some))
        rows = await connection.execute(own.order_by(contents.c.sha256).with_for_update())
        found |= {row[0]: row[1] for row in rows}
    return found


async def keep_contents(connection: AsyncConnection, given: Iterable[Content], now: datetime) -> None:
    """Records contents that are new, and takes the mark off those that a sweep had marked."""
    ordered = sorted(given, key=lambda content: content.sha256)
    values = [{**content_values(content), "create_time": now, "removing": False} for content in ordered]
    if values:
        await connection.execute(insert_new(connection, contents), values)
        await unmark(connection, [value["sha256"] for value in values])


async def unmark(connection: AsyncConnection, sha256s: Sequence[str]) -> None:
    """Takes the sweep's mark off these contents."""
    for some in chunks(sha256s, _CHUNK):
        marked = contents.c.sha256.in_(some), contents.c.marked_time.is_not(None)
        await connection.execute(update(contents).where(*marked).values(marked_time=None))


async def idle_contents(connection: AsyncConnection, sha256s: Iterable[str]) -> list[str]:
    """Those of the contents that are known and that no image uses, locked until the transaction ends."""
    known, used = sorted(await locked_contents(connection, sha256s)), set[str]()
    for some in chunks(known, _CHUNK):
        using = select(images.c.sha256).where(images.c.sha256.in_(some)).distinct()
        used |= set((await connection.execute(using)).scalars())
    return [sha256 for sha256 in known if sha256 not in used]


async def _begin_removing(
    connection: AsyncConnection, due: ColumnElement[bool], limit: int, now: datetime
) -> Sequence[str]:
    """Bars contents that are due; from now on their mark says since when."""
    marked = (await connection.execute(select(contents.c.sha256).where(due, _UNUSED).limit(limit))).scalars()
    leaving: list[str] = []
    for some in chunks(await idle_contents(connection, marked), _CHUNK):
        still = select(contents.c.sha256).where(contents.c.sha256.in_(some), due)
        barred = list((await connection.execute(still)).scalars())
        own = contents.c.sha256.in_(barred)
        await connection.execute(update(contents).where(own).values(removing=True, marked_time=now))
        leaving += barred
    return leaving


async def _forget(connection: AsyncConnection, sha256s: Sequence[str]) -> None:
    own = contents.c.sha256.in_(sha256s)
    if idle := await idle_contents(connection, sha256s):
        await drop_embeddings(connection, idle)
        await connection.execute(delete(contents).where(contents.c.sha256.in_(idle)))
    await connection.execute(update(contents).where(own).values(removing=False))

"""Reading ahead: the rows that searches will join, remembered before anyone asks."""

import asyncio

from sqlalchemy import bindparam, select

from soutu.adapters.catalog.memory import AsOf
from soutu.adapters.catalog.part import CatalogPart
from soutu.adapters.catalog.rows import image_of, select_images
from soutu.adapters.catalog.tables import collections, images

_SHARD = 250  # rows in one read: some milliseconds of the interpreter
_PAUSE_S = 0.005  # between reads, for whoever else wants it

_LIVING = select(collections.c.uid, collections.c.revision).where(collections.c.id.is_not(None))
_BEFORE = (
    select_images()
    .where(
        images.c.uid < bindparam("before"),
        # The sum keeps planners from walking whole collections and sorting them.
        (images.c.collection_uid + 0).in_(select(collections.c.uid).where(collections.c.id.is_not(None))),
    )
    .order_by(images.c.uid.desc())
    .limit(bindparam("at_most"))
)


class SqlWarming(CatalogPart):
    """Keeps the warming part of the Catalog port."""

    async def warm(self) -> None:
        """Remembers the newest images of all collections, as many as may be remembered, unhurriedly."""
        memory, before, now = self._database.memory, 2**63 - 1, self._clock.now()
        for uid, revision in await self._database.rows(_LIVING) if self._database.shared else ():
            if memory.as_of(uid) is None:
                memory.begin(uid, AsOf(revision, now))
        while memory.room > 0:
            with memory.reading() as reading:
                bound = {"before": before, "at_most": min(_SHARD, memory.room)}
                rows = await self._database.rows(_BEFORE, bound)
                reading.rows = {row[0]: image_of(row) for row in rows}
            if not rows:
                return
            before = rows[-1][0]
            await asyncio.sleep(_PAUSE_S)

    def forget_rows(self) -> None:
        """Forgets them, and what is just being read."""
        self._database.memory.clear()

"""The catalogue put together from its parts."""

from typing import Self

from sqlalchemy import make_url, text

from soutu.adapters.catalog.altering import SqlAltering
from soutu.adapters.catalog.changes import SqlChanges
from soutu.adapters.catalog.clearing import SqlClearing
from soutu.adapters.catalog.collections import SqlCollections
from soutu.adapters.catalog.commit import SqlCommits
from soutu.adapters.catalog.contents import SqlContents
from soutu.adapters.catalog.embeddings import SqlEmbeddings
from soutu.adapters.catalog.generations import SqlGenerations
from soutu.adapters.catalog.images import SqlImages
from soutu.adapters.catalog.operations import SqlOperations
from soutu.adapters.catalog.purging import SqlPurging
from soutu.adapters.catalog.schema import bring_up_to_date
from soutu.adapters.catalog.selections import SqlSelections
from soutu.adapters.catalog.snapshots import SqliteSnapshots
from soutu.adapters.catalog.sqlite import sqlite_database
from soutu.adapters.catalog.warming import SqlWarming
from soutu.ports import Clock


class SqlCatalog(
    SqlCollections,
    SqlGenerations,
    SqlClearing,
    SqlCommits,
    SqlImages,
    SqlSelections,
    SqlChanges,
    SqlEmbeddings,
    SqlContents,
    SqlOperations,
    SqlAltering,
    SqlPurging,
    SqlWarming,
    SqliteSnapshots,
):
    """The Catalog port on one database. Open it with `open`, under the data directory's lock."""

    @classmethod
    async def open(cls, url: str, clock: Clock, *, remembered: int = 1_000) -> Self:
        """The catalogue at `url` ("sqlite+aiosqlite:////path/catalog.db"), migrated to our schema and with
        interrupted deletions finished, which keeps the rows of up to `remembered` images in memory;
        CATALOG_UNAVAILABLE, also for a schema newer than ours."""
        database = sqlite_database(make_url(url), remembered)
        catalog = cls(database, clock)
        try:
            await bring_up_to_date(database)
            await catalog.finish_deletions()
        except BaseException:
            await database.close()
            raise
        return catalog

    async def ping(self) -> None:
        """Returns if the catalogue answers; CATALOG_UNAVAILABLE."""
        await self._database.rows(text("SELECT 1"))

    async def close(self) -> None:
        """Waits for the write under way and closes every connection."""
        await self._database.close()

"""The catalogue put together from its parts."""

from typing import Self

from sqlalchemy import make_url, text
from sqlalchemy.exc import ArgumentError

from soutu.adapters.catalog.altering import SqlAltering
from soutu.adapters.catalog.changes import SqlChanges
from soutu.adapters.catalog.clearing import SqlClearing
from soutu.adapters.catalog.collections import SqlCollections
from soutu.adapters.catalog.commit import SqlCommits
from soutu.adapters.catalog.contents import SqlContents
from soutu.adapters.catalog.embeddings import SqlEmbeddings
from soutu.adapters.catalog.engine import Database
from soutu.adapters.catalog.generations import SqlGenerations
from soutu.adapters.catalog.images import SqlImages
from soutu.adapters.catalog.joining import SqlJoining
from soutu.adapters.catalog.leading import SqlLeading
from soutu.adapters.catalog.mysql import Pool, mysql_database
from soutu.adapters.catalog.operations import SqlOperations
from soutu.adapters.catalog.purging import SqlPurging
from soutu.adapters.catalog.schema import bring_up_to_date
from soutu.adapters.catalog.selections import SqlSelections
from soutu.adapters.catalog.snapshots import SqlSnapshots
from soutu.adapters.catalog.sqlite import sqlite_database
from soutu.adapters.catalog.warming import SqlWarming
from soutu.domain.errors import Reason, SoutuError
from soutu.ports import Clock


class SqlCatalog(
    SqlJoining,
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
    SqlLeading,
    SqlWarming,
    SqlSnapshots,
):
    """The Catalog port on one database. Open it with `open`; a file, under the data directory's lock."""

    @classmethod
    async def open(cls, url: str, clock: Clock, *, remembered: int = 1_000, pool: Pool | None = None) -> Self:
        """The catalogue at `url`, migrated to our schema and with interrupted deletions finished:
        "sqlite+aiosqlite:////path/catalog.db", or "mysql+aiomysql://user:password@host:port/database", which
        keeps connections in `pool`. The rows of up to `remembered` images stay in memory.
        CATALOG_UNAVAILABLE, also for a schema newer than ours."""
        catalog = cls(_database(url, remembered, pool or Pool()), clock)
        database = catalog._database
        try:
            await bring_up_to_date(database)
            await catalog.finish_deletions()
        except BaseException:
            await database.close()
            raise
        return catalog

    async def ping(self) -> str:
        """What answers, with its version; CATALOG_UNAVAILABLE."""
        if self._database.is_file:
            return f"SQLite {(await self._database.rows(text('SELECT sqlite_version()')))[0][0]}"
        version = str((await self._database.rows(text("SELECT VERSION()")))[0][0])
        return version if "MariaDB" in version else f"MySQL {version}"

    async def close(self) -> None:
        """Waits for the write under way and closes every connection."""
        await self._database.close()


def _database(url: str, remembered: int, pool: Pool) -> Database:
    try:
        named = make_url(url)
    except ArgumentError as error:
        raise SoutuError(Reason.CATALOG_UNAVAILABLE, "catalog.url is no URL of a database.") from error
    return (
        sqlite_database(named, remembered)
        if named.get_backend_name() == "sqlite"
        else mysql_database(named, pool, remembered)
    )

"""The schema's version: read at opening, moved by the migrations."""

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from soutu.adapters.catalog.engine import Database
from soutu.adapters.catalog.migrations import NEWEST
from soutu.adapters.catalog.mysql import migrating_alone
from soutu.domain.errors import Reason, SoutuError


async def bring_up_to_date(database: Database) -> None:
    """Migrates an older or empty database to our schema, in one transaction where the database can.

    On a server, one process at a time does this. CATALOG_UNAVAILABLE for a schema that we do not know.
    """

    async def work(connection: AsyncConnection) -> None:
        await connection.run_sync(_migrate if database.is_file else _migrate_alone)

    await database.alter(work)


def _migrate_alone(connection: Connection) -> None:
    with migrating_alone(connection):
        _migrate(connection)
        connection.commit()


def _migrate(connection: Connection) -> None:
    current = schema_version(connection)
    if current == NEWEST:
        return
    # Alembic takes a while to import, and a server that starts again does not need it.
    from soutu.adapters.catalog.migrations.run import is_known, upgrade

    if current and not is_known(current):
        raise SoutuError(
            Reason.CATALOG_UNAVAILABLE,
            f"The catalogue was written by a newer Soutu (its schema is {current}, ours {NEWEST}); "
            "start that version, or restore a backup made with this one.",
        )
    upgrade(connection)


def schema_version(connection: Connection) -> str:
    """The version that the database says it has; empty for a new database."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or "")

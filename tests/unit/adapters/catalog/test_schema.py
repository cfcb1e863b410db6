"""The migrations make the very schema that tables.py describes, and know their place."""

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, text

from soutu.adapters.catalog.migrations import NEWEST
from soutu.adapters.catalog.migrations.run import is_known, upgrade
from soutu.adapters.catalog.tables import SCHEMA
from soutu.domain.errors import Reason, SoutuError
from tests.contract.catalog_fixtures import opened


def _statements(connection: Connection) -> set[str]:
    rows = connection.execute(text("SELECT sql FROM sqlite_master WHERE name NOT LIKE 'alembic%'"))
    return {" ".join(sql.replace('"', "").split()) for (sql,) in rows if sql}


def test_the_migrated_schema_is_that_of_the_tables() -> None:
    migrated, described = create_engine("sqlite://"), create_engine("sqlite://")
    with migrated.begin() as ours, described.begin() as theirs:
        upgrade(ours)
        SCHEMA.create_all(theirs)
        assert compare_metadata(MigrationContext.configure(ours), SCHEMA) == []
        assert _statements(ours) == _statements(theirs)
    migrated.dispose()
    described.dispose()


def test_the_newest_version_is_the_last_migration() -> None:
    assert is_known(NEWEST)
    files = Path(upgrade.__code__.co_filename).parent.glob("versions/v*.py")
    assert max(file.name for file in files).startswith(f"v{NEWEST}_")


async def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    await (await opened(tmp_path)).close()
    before = (tmp_path / "catalog.db").read_bytes()
    await (await opened(tmp_path)).close()
    assert (tmp_path / "catalog.db").read_bytes() == before


async def test_a_schema_newer_than_ours_is_refused(tmp_path: Path) -> None:
    await (await opened(tmp_path)).close()
    with sqlite3.connect(tmp_path / "catalog.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    with pytest.raises(SoutuError) as failure:
        await opened(tmp_path)
    assert failure.value.reason is Reason.CATALOG_UNAVAILABLE
    assert "newer Soutu (its schema is 9999" in failure.value.message

"""What a reader is told when SQLite cannot, and that service resumes when the cause is gone."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from soutu.adapters.catalog import SqlCatalog, sqlite
from soutu.domain.errors import Reason, SoutuError
from tests.contract.catalog_fixtures import DRAFT, opened, put


async def _refusal(catalog: SqlCatalog, collection_uid: int) -> str:
    with pytest.raises(SoutuError) as failure:
        await catalog.commit(collection_uid, [put("refused")])
    assert failure.value.reason is Reason.CATALOG_UNAVAILABLE
    assert failure.value.__cause__ is not None
    return failure.value.message


async def test_a_catalogue_locked_by_another_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_TIMEOUT_S", 0.05)
    catalog = await opened(tmp_path)
    uid = (await catalog.create_collection(DRAFT)).uid
    other = sqlite3.connect(tmp_path / "catalog.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert "locked by another program" in await _refusal(catalog, uid)
    assert (await catalog.head("pictures")).collection.uid == uid  # reading goes on
    other.close()
    assert (await catalog.commit(uid, [put("a")])).revision == 1
    await catalog.close()


async def test_a_full_disk(tmp_path: Path) -> None:
    catalog = await opened(tmp_path)
    uid = (await catalog.create_collection(DRAFT)).uid
    await catalog._database.write(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count = 1"))
    message = ""
    for turn in range(200):  # until the pages that are there already are used up
        try:
            await catalog.commit(uid, [put(f"{turn}-{n}") for n in range(20)])
        except SoutuError as error:
            message = error.message
            break
    assert "disk of the catalogue is full" in message
    await catalog._database.write(
        lambda connection: connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    )
    assert (await catalog.commit(uid, [put("a")])).revision == 20 * turn + 1
    await catalog.close()


async def test_a_read_only_catalogue(tmp_path: Path) -> None:
    catalog = await opened(tmp_path)
    uid = (await catalog.create_collection(DRAFT)).uid
    await catalog._database.write(lambda connection: connection.exec_driver_sql("PRAGMA query_only = ON"))
    assert "read-only" in await _refusal(catalog, uid)
    await catalog.close()


async def test_a_file_that_is_no_catalogue(tmp_path: Path) -> None:
    (tmp_path / "catalog.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(SoutuError) as failure:
        await opened(tmp_path)
    assert failure.value.reason is Reason.CATALOG_UNAVAILABLE
    assert "not a catalogue" in failure.value.message


async def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SoutuError) as failure:
        await opened(tmp_path / "nowhere")
    assert "cannot be opened" in failure.value.message
    await asyncio.sleep(0.05)  # aiosqlite ends its thread after it has told us


async def test_commits_are_synced(tmp_path: Path) -> None:
    catalog = await opened(tmp_path)

    async def pragma(name: str) -> object:
        result = await catalog._database.write(
            lambda connection: connection.exec_driver_sql(f"PRAGMA {name}")
        )
        return result.scalar()

    assert [await pragma(name) for name in ("journal_mode", "synchronous", "foreign_keys")] == ["wal", 2, 1]
    assert (await catalog.ping()).startswith("SQLite 3.")
    await catalog.close()

"""What a catalogue on a database server promises beyond the port: a schema that survives being cut off,
writers of several processes, and lost connections."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from soutu.adapters.catalog import SqlCatalog
from soutu.adapters.catalog.mysql import Pool
from soutu.adapters.catalog.tables import SCHEMA
from soutu.domain.collection import Collection
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.operation import OperationKind
from soutu.domain.writing import Commit, Remove, Written
from tests.contract.catalog_fixtures import DRAFT, MODEL, MovableClock, at, content, put, written
from tests.contract.databases import connected

PATIENCE_S = 3.0
pytestmark = pytest.mark.parametrize("catalog_url", ["mariadb"], indirect=True)


@pytest.fixture
async def other(catalog_url: str, clock: MovableClock, catalog: SqlCatalog) -> AsyncIterator[SqlCatalog]:
    """The same catalogue, opened by another process."""
    opened = await SqlCatalog.open(catalog_url, clock, pool=Pool(size=2, wait_s=PATIENCE_S))
    yield opened
    await opened.close()


def asks_for_contents(url: str) -> bool:
    """Whether a statement that locks contents is under way."""
    running = (
        "SELECT info FROM information_schema.processlist"
        " WHERE info LIKE '%contents%FOR UPDATE%' AND id <> CONNECTION_ID()"
    )
    with connected(url) as connection:
        return bool(connection.execute(text(running)).all())


# The schema


async def test_the_migrated_schema_is_that_of_the_tables(catalog: SqlCatalog, catalog_url: str) -> None:
    with connected(catalog_url) as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": False})
        assert compare_metadata(context, SCHEMA) == []
        rows = connection.execute(
            text(
                "SELECT DISTINCT collation_name FROM information_schema.columns"
                " WHERE table_schema = DATABASE() AND collation_name IS NOT NULL"
                " AND table_name <> 'alembic_version'"
            )
        )
        assert rows.all() == [("utf8mb4_nopad_bin",)]


async def test_a_migration_that_was_cut_off_is_taken_up_again(catalog_url: str, clock: MovableClock) -> None:
    with connected(catalog_url) as connection:
        connection.execute(text("DROP TABLE alembic_version"))  # the last step that a migration takes
        connection.execute(text("DROP TABLE tombstones"))
        connection.execute(text("DROP INDEX images_by_rating ON images"))
        connection.execute(text("ALTER TABLE images DROP COLUMN sidecar"))
    catalog = await SqlCatalog.open(catalog_url, clock)
    uid = (await catalog.create_collection(DRAFT)).uid
    assert (await catalog.commit(uid, [put("a"), Remove("a")])).revision == 2
    await catalog.close()
    with connected(catalog_url) as connection:
        assert compare_metadata(MigrationContext.configure(connection), SCHEMA) == []


async def test_of_several_that_migrate_one_does(catalog_url: str, clock: MovableClock) -> None:
    with connected(catalog_url) as connection:
        names = ", ".join(connection.execute(text("SHOW TABLES")).scalars())
        connection.execute(text("SET FOREIGN_KEY_CHECKS = 0"))
        connection.execute(text(f"DROP TABLE {names}"))
    opened = await asyncio.gather(*(SqlCatalog.open(catalog_url, clock) for _ in range(3)))
    assert {await each.ping() for each in opened} == {await opened[0].ping()}
    assert "MariaDB" in await opened[0].ping()
    await asyncio.gather(*(each.close() for each in opened))


async def test_a_schema_newer_than_ours_is_refused(
    catalog: SqlCatalog, catalog_url: str, clock: MovableClock
) -> None:
    with connected(catalog_url) as connection:
        (before,) = connection.execute(text("SELECT version_num FROM alembic_version")).one()
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        try:
            with pytest.raises(SoutuError) as refused:
                await SqlCatalog.open(catalog_url, clock)
        finally:
            connection.execute(text("UPDATE alembic_version SET version_num = :n"), {"n": before})
    assert refused.value.reason is Reason.CATALOG_UNAVAILABLE
    assert "newer Soutu" in refused.value.message


# Texts


async def test_what_is_too_long_is_refused_and_never_cut_short(
    catalog: SqlCatalog, pictures: Collection
) -> None:
    long = replace(content("a"), exif=replace(content("a").exif, camera="x" * 513))
    with pytest.raises(SoutuError) as refused:
        await catalog.commit(pictures.uid, [put("a", content=long)])
    assert refused.value.reason is Reason.CATALOG_UNAVAILABLE
    assert await catalog.image_ids(pictures.uid, ["a"]) == {}


# Writers of several processes


async def test_writers_of_two_processes_get_every_revision_once(
    catalog: SqlCatalog, other: SqlCatalog, pictures: Collection
) -> None:
    seen: list[int] = []

    async def follow() -> None:
        while len(seen) < 60:
            changes = await other.changes(pictures.uid, MODEL, seen[-1] if seen else 0, 7)
            seen.extend(change.revision for change in changes)
            await asyncio.sleep(0)

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(follow())
        commits = [
            group.create_task(
                (catalog, other)[task % 2].commit(
                    pictures.uid, [put(f"{task}-{n}", f"{n}") for n in range(3)]
                )
            )
            for task in range(20)
        ]
    revisions = [written(commit.result(), turn).revision for commit in commits for turn in range(3)]
    assert sorted(revisions) == seen == list(range(1, 61))
    assert (await other.head("pictures")).collection.image_count == 60


async def test_collections_that_share_contents_are_written_to_at_once(
    catalog: SqlCatalog, other: SqlCatalog
) -> None:
    """In opposite orders, which is how transactions come to wait for each other in a circle."""
    uids = [(await catalog.create_collection(replace(DRAFT, id=f"c{n}"))).uid for n in range(4)]

    async def fill(place: int, uid: int, turn: int) -> None:
        names = [f"{n}" for n in range(8)][:: 1 if place % 2 else -1]
        puts = [put(f"{turn}-{name}", f"shared {turn} {name}") for name in names]
        commit = await (catalog, other)[place % 2].commit(uid, puts)
        assert all(isinstance(outcome, Written) for outcome in commit.outcomes)

    for turn in range(6):
        await asyncio.gather(*(fill(place, uid, turn) for place, uid in enumerate(uids)))
    for uid in uids:
        assert len(await other.list_images(uid, "", 100)) == 48


async def test_a_transaction_that_was_chosen_to_die_is_run_again(
    catalog: SqlCatalog, catalog_url: str, pictures: Collection
) -> None:
    """A real deadlock: another program holds a content, and asks for the collection that a commit holds."""
    await catalog.commit(pictures.uid, [put("a", held=False)])
    with connected(catalog_url) as connection:
        connection.execute(text("BEGIN"))
        much = text("INSERT INTO requests VALUES (999, :n, 'x', 1, '[]', NOW(6))")
        for number in range(50):  # to undo, so that undoing the other transaction is cheaper
            connection.execute(much, {"n": f"r{number}"})
        connection.execute(text("SELECT * FROM contents FOR UPDATE"))
        commit = asyncio.create_task(catalog.commit(pictures.uid, [put("b", of="a", held=True)]))
        while not asks_for_contents(catalog_url):
            await asyncio.sleep(0.01)
        await asyncio.to_thread(connection.execute, text("SELECT * FROM collections FOR UPDATE"))
        assert not commit.done()  # it was undone, and waits for its second turn
        connection.execute(text("ROLLBACK"))
        assert written(await commit).revision == 2


async def test_who_waits_too_long_for_others_is_told_so(
    catalog_url: str, other: SqlCatalog, pictures: Collection
) -> None:
    with connected(catalog_url) as connection:
        connection.execute(text("BEGIN"))
        connection.execute(text("SELECT * FROM collections FOR UPDATE"))
        with pytest.raises(SoutuError) as refused:
            await other.commit(pictures.uid, [put("a")])
        assert refused.value.reason is Reason.CATALOG_UNAVAILABLE
        connection.execute(text("ROLLBACK"))
    assert (await other.commit(pictures.uid, [put("a")])).revision == 1


async def test_bytes_that_a_purge_bars_are_not_taken_up_by_a_commit_of_another_process(
    catalog: SqlCatalog, other: SqlCatalog, pictures: Collection
) -> None:
    for turn in range(20):
        name = f"shared {turn}"
        await catalog.commit(pictures.uid, [put("gone", name), Remove("gone")])
        await catalog.hold_contents([content(name)])
        (_, barred), commit = await asyncio.gather(
            catalog.bar_deleted(pictures.uid, ["gone"]),
            other.commit(pictures.uid, [put(f"late {turn}", name, held=True)]),
        )
        taken = isinstance(commit.outcomes[0], Written)
        assert taken != (content(name).sha256 in barred), turn
        await catalog.forget_contents(barred)


async def test_a_collection_is_filled_by_one_operation_of_all_processes(
    catalog: SqlCatalog, other: SqlCatalog, pictures: Collection
) -> None:
    begun = await asyncio.gather(
        *(
            each.create_operation(OperationKind.BUILD, pictures.uid, "pictures", {})
            for each in (catalog, other, catalog, other)
        ),
        return_exceptions=True,
    )
    refused = [each for each in begun if isinstance(each, SoutuError)]
    assert [each.reason for each in refused] == [Reason.COLLECTION_BUSY] * 3
    claimed = await asyncio.gather(catalog.claim_operation("a", 30), other.claim_operation("b", 30))
    assert sum(each is not None for each in claimed) == 1


# Connections


async def test_a_process_that_stops_within_a_transaction_keeps_others_waiting_for_seconds_only(
    catalog: SqlCatalog, other: SqlCatalog, pictures: Collection
) -> None:
    begun, on = asyncio.Event(), asyncio.Event()
    turns = 0

    async def stopped(connection: AsyncConnection) -> int:
        nonlocal turns
        turns += 1
        revision = (
            await connection.execute(text("SELECT revision FROM collections FOR UPDATE"))
        ).scalar_one()
        begun.set()
        await on.wait()
        await connection.execute(text("UPDATE collections SET revision = revision"))
        return int(revision)

    late = asyncio.create_task(catalog._database.write(stopped))
    await begun.wait()
    async with asyncio.timeout(15):
        while True:  # pool.wait_s of the other is shorter than what it may have to wait for
            with suppress(SoutuError):
                assert (await other.commit(pictures.uid, [put("a")])).revision == 1
                break
    on.set()
    assert (await late, turns) == (1, 2)  # run again, and saw what was done meanwhile


async def test_connections_that_were_killed_are_not_noticed(
    catalog: SqlCatalog, catalog_url: str, pictures: Collection
) -> None:
    for turn in range(3):
        await asyncio.gather(*(catalog.head("pictures") for _ in range(6)))
        await catalog.commit(pictures.uid, [put(f"a{turn}")])
        with connected(catalog_url) as connection:
            ours = connection.execute(text("SELECT CONNECTION_ID()")).scalar()
            for row in connection.execute(text("SHOW PROCESSLIST")).all():
                if row[0] != ours and row[3] == connection.engine.url.database:
                    connection.execute(text(f"KILL {row[0]}"))
        if turn != 1:
            assert (await catalog.head("pictures")).collection.revision == turn + 1
        assert (await catalog.commit(pictures.uid, [Remove("none", allow_missing=True)])).revision == turn + 1


# Switching


async def test_while_one_process_switches_generations_others_follow_but_do_not_commit(
    catalog: SqlCatalog, other: SqlCatalog, pictures: Collection
) -> None:
    old = (await catalog.head("pictures")).generation
    new = await catalog.create_replacement(old, "g1~")
    late: list[asyncio.Task[Commit]] = []

    async def caught_up(revision: int) -> bool:
        late.extend(asyncio.create_task(other.commit(pictures.uid, [put(f"{n}")])) for n in range(3))
        await asyncio.sleep(0.3)
        async with asyncio.timeout(1):  # a connection is left to whoever follows
            assert await other.take_lead(new.uid, "other", 10.0)
        return revision == 0 and not any(each.done() for each in late)

    assert await catalog.replace_generation(old, new, caught_up)
    assert sorted([(await each).revision for each in late]) == [1, 2, 3]
    again = await catalog.create_replacement(new, "g1~")
    assert not await catalog.replace_generation(new, again, at(2))
    assert (await catalog.head("pictures")).generation.uid == new.uid

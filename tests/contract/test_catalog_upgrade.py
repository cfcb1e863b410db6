"""A catalogue that an older Soutu filled is migrated, keeps what it held, and takes what is new."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from soutu.adapters.catalog import SqlCatalog
from soutu.adapters.catalog.migrations import NEWEST
from soutu.adapters.catalog.migrations.run import upgrade
from soutu.adapters.catalog.schema import schema_version
from soutu.adapters.catalog.tables import SCHEMA
from soutu.domain.collection import AttributeType, CollectionChanges
from soutu.domain.image import Keeping, Metadata, Origin, Original
from soutu.domain.labels import Label, LabelSet, PredictedLabel
from soutu.domain.model import ModelRef
from soutu.domain.operation import OperationKind
from soutu.domain.writing import Checkpoint, Failure, OnConflict, Put, Relabel, Remove, Request, Revise
from soutu.filters.parse import parse_filter
from tests.contract.catalog_fixtures import DRAFT, MODEL, MovableClock, content, put, vector, written
from tests.contract.databases import connected

BEFORE_LABELS = "0005"
OTHER_MODEL = ModelRef("other", "2")
COUNT = 60
LONG_AGO = datetime(2019, 1, 2, tzinfo=UTC)
ANIMALS = LabelSet("animals", (Label("cat"), Label("山", ("一座山",))))
CAT = (PredictedLabel("animals", "cat", 0.75), PredictedLabel("animals", "山", 0.125))


@pytest.mark.parametrize("version", [BEFORE_LABELS])
async def test_a_filled_catalogue_is_migrated(catalog_url: str, clock: MovableClock, version: str) -> None:
    catalog = await SqlCatalog.open(catalog_url, clock)
    await fill(catalog)
    held = await held_by(catalog, catalog_url)
    await catalog.close()

    taken_back_to(version, catalog_url)
    migrated = await SqlCatalog.open(catalog_url, clock)

    assert await held_by(migrated, catalog_url) == held
    with connected(catalog_url) as connection:
        assert schema_version(connection) == NEWEST
        context = MigrationContext.configure(connection, opts={"compare_server_default": False})
        assert compare_metadata(context, SCHEMA) == []
    await check_new_things(migrated)
    await migrated.close()


async def fill(catalog: SqlCatalog) -> None:
    """Something of everything that an older Soutu knew: no labels, and no label sets."""
    attributes = {"place": AttributeType.STRING, "when": AttributeType.TIMESTAMP}
    uid = (await catalog.create_collection(replace(DRAFT, attributes=attributes))).uid
    await catalog.create_collection(replace(DRAFT, id="empty", description="\u5c71\n'"))
    await catalog.commit(uid, [described(number) for number in range(COUNT)])
    await catalog.commit(uid, [Remove("i7"), Revise("i8", Metadata(title="new"))], request=request("r-1"))
    await catalog.commit(uid, [put("i9", "another", on_conflict=OnConflict.REPLACE)], request=request("r-2"))
    head = await catalog.head("pictures")
    await catalog.set_followed(head.generation.uid, 30)
    assert await catalog.take_lead(head.generation.uid, "somebody", 30.0)
    assert await catalog.shared_secret("tokens", b"\x00\xff secret") == b"\x00\xff secret"
    begun = await catalog.create_operation(OperationKind.BUILD, uid, "pictures", {"source": "/p"})
    assert await catalog.claim_operation("somebody", 30.0)
    failure = Failure("broken.jpg", "IMAGE_UNREADABLE", "The image is damaged.")
    checkpoint = Checkpoint(begun.uid, "shard 3", 4, 1, (failure,), owner="somebody")
    await catalog.commit(uid, [put("late")], checkpoint=checkpoint)


def described(number: int) -> Put:
    metadata = Metadata(
        title=f"number {number} 山",
        tags=("even",) if number % 2 == 0 else (),
        category=f"c{number % 3}",
        rating=number % 6,
        attributes={"place": "a'b\"c", "when": LONG_AGO + timedelta(microseconds=number)},
    )
    origin = Origin("/p", f"{number}.jpg") if number % 5 else None
    kept = Original(Keeping.REFERENCED, f"/p/{number}.jpg", number) if origin else Original(Keeping.STORED)
    vectors = {MODEL: vector(number), OTHER_MODEL: vector(1_000 + number)}
    return put(f"i{number}", metadata=metadata, origin=origin, original=kept, embeddings=vectors)


def request(request_id: str) -> Request:
    return Request(request_id, content(request_id).sha256)


@dataclass(frozen=True, slots=True)
class Held:
    """What the port tells of a catalogue, and how many rows each table has."""

    told: dict[str, Any]
    rows: dict[str, int]


async def held_by(catalog: SqlCatalog, url: str) -> Held:
    head = await catalog.head("pictures")
    uid = head.collection.uid
    images = await catalog.list_images(uid, "", 1_000)
    hashes = [image.content.sha256 for image in images]
    operations = await catalog.operations(0, 10)
    told = {
        "heads": [head, await catalog.head("empty")],
        "images": images,
        "changes": [
            (each.uid, each.revision, getattr(each, "fields", None))
            for each in await catalog.changes(uid, MODEL, 0, 1_000)
        ],
        "vectors": {
            model: {sha256: each.tobytes() for sha256, each in found.items()}
            for model in (MODEL, OTHER_MODEL)
            for found in [await catalog.embeddings(model, hashes)]
        },
        "operations": operations,
        "failures": await catalog.failures(operations[0].uid, 0, 10),
        "standings": await catalog.standings(),
        "secret": await catalog.shared_secret("tokens", b"another"),
        "even": sorted(await catalog.find_uids(uid, parsed("tags:even", head.collection), 1_000)),
    }
    with connected(url) as connection:
        return Held(told, {name: len(rows_of(connection, name)) for name in SCHEMA.tables})


def parsed(filter_: str, collection: Any) -> Any:
    return parse_filter(filter_, collection)


def rows_of(connection: Connection, table: str) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(text(f"SELECT * FROM {table}")).mappings()]  # noqa: S608


def taken_back_to(version: str, url: str) -> None:
    """Makes the database what a Soutu of that schema would have left: its tables, with the rows that are
    there as far as they had columns for them."""
    with connected(url) as connection:
        kept = {name: rows_of(connection, name) for name in SCHEMA.tables}
        assert all(kept.values()), [name for name, rows in kept.items() if not rows]
        server = connection.dialect.name != "sqlite"
        connection.execute(text("SET FOREIGN_KEY_CHECKS = 0" if server else "PRAGMA foreign_keys = OFF"))
        for name in (*SCHEMA.tables, "alembic_version"):
            connection.execute(text(f"DROP TABLE {name}"))
        upgrade(connection, version)
        assert schema_version(connection) == version
        for name in set(inspect(connection).get_table_names()) - {"alembic_version"}:
            columns = {each["name"] for each in inspect(connection).get_columns(name)}
            for row in kept[name]:
                _insert(connection, name, {key: value for key, value in row.items() if key in columns})
        assert "labels" not in columns_of(connection, "images")


def columns_of(connection: Connection, table: str) -> set[str]:
    return {each["name"] for each in inspect(connection).get_columns(table)}


def _insert(connection: Connection, table: str, row: dict[str, Any]) -> None:
    names, values = ", ".join(f"`{name}`" for name in row), ", ".join(f":{name}" for name in row)
    connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({values})"), row)  # noqa: S608


async def check_new_things(catalog: SqlCatalog) -> None:
    """What came with labels works on rows that were there before, and uids and revisions go on."""
    head = await catalog.head("pictures")
    uid, revision = head.collection.uid, head.collection.revision
    assert head.collection.label_sets == ()
    assert all(image.labels == () for image in await catalog.list_images(uid, "", 1_000))
    assert await catalog.find_uids(uid, parsed("labels:*", head.collection), 10) == []

    await catalog.update_collection(uid, CollectionChanges(label_sets=(ANIMALS,)))
    old = await catalog.image(uid, "i8")
    commit = await catalog.commit(uid, [Relabel("i8", old.content.sha256, CAT), put("new", labels=CAT)])

    assert commit.revision == revision + 2
    assert (await catalog.head("pictures")).collection.label_sets == (ANIMALS,)
    image = await catalog.image(uid, "i8")
    assert image == replace(old, labels=CAT, revision=revision + 1)
    made = written(commit, 1).image
    assert made is not None
    others = [each.uid for each in await catalog.list_images(uid, "", 1_000) if each.id != "new"]
    assert made.uid > max(others)
    assert set(await catalog.find_uids(uid, parsed('labels:"山"', head.collection), 10)) == {
        old.uid,
        made.uid,
    }

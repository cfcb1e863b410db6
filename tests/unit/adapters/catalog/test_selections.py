"""How filtered and ordered reads reach their rows, and what they look like elsewhere than in SQLite."""

import sqlite3
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, select
from sqlalchemy.dialects import mysql

from soutu.adapters.catalog import SqlCatalog
from soutu.adapters.catalog.filtering import condition
from soutu.adapters.catalog.tables import images
from soutu.domain.collection import AttributeType
from soutu.domain.fields import SYSTEM_FIELDS
from soutu.domain.filter import (
    Compares,
    Contains,
    Direction,
    Equals,
    Field,
    Filter,
    Listing,
    OrderKey,
    Place,
    Present,
)
from tests.contract.catalog_fixtures import DRAFT, opened, put

CATEGORY, RATING = Field("category", AttributeType.STRING), Field("rating", AttributeType.INTEGER)
CREATED = Field("create_time", AttributeType.TIMESTAMP)
TAGS = Field("tags", AttributeType.STRINGS)


async def plan(directory: Path, use: Callable[[SqlCatalog, int], Any]) -> str:
    """How SQLite runs the statement that `use` sends."""
    catalog = await opened(directory)
    uid = (await catalog.create_collection(DRAFT)).uid
    await catalog.commit(uid, [put("a"), put("b")])
    sent: list[tuple[str, Any]] = []

    def note(_c: object, _u: object, sql: str, bound: Any, _x: object, _many: bool) -> None:
        sent.append((sql, bound))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        await use(catalog, uid)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    await catalog.close()
    database = sqlite3.connect(directory / "catalog.db")
    ((sql, bound),) = sent
    steps = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {sql}", bound)]
    database.close()
    return "\n".join(steps)


@pytest.mark.parametrize(
    ("filter_", "index"),
    [
        (Equals(CATEGORY, "x"), "images_by_category (collection_uid=? AND category=?)"),
        (Compares(RATING, Direction.AT_LEAST, 4), "images_by_rating (collection_uid=? AND rating>?)"),
        (
            Compares(CREATED, Direction.LESS, datetime(2026, 1, 1, tzinfo=UTC)),
            "images_by_create_time (collection_uid=? AND create_time<?)",
        ),
    ],
)
async def test_what_is_asked_most_is_looked_up(tmp_path: Path, filter_: Filter, index: str) -> None:
    assert index in await plan(tmp_path, lambda catalog, uid: catalog.count_images(uid, filter_))


@pytest.mark.parametrize("field", [RATING, CATEGORY, CREATED])
@pytest.mark.parametrize("descending", [False, True])
async def test_a_page_of_an_order_is_read_without_sorting(
    tmp_path: Path, field: Field, descending: bool
) -> None:
    listing = Listing(None, (OrderKey(field, descending),))
    steps = await plan(tmp_path, lambda catalog, uid: catalog.find_images(uid, listing, (), 10))
    assert f"images_by_{field.name}" in steps
    assert ("TEMP B-TREE" in steps) is descending  # equal ones come by id, ascending


FILTERS: Mapping[str, Filter] = {
    "JSON_UNQUOTE(JSON_EXTRACT(images.attributes,": Equals(
        Field("attributes.a", AttributeType.STRING), "x'; DROP TABLE images; --"
    ),
    "AS SIGNED)": Compares(Field("attributes.a", AttributeType.INTEGER), Direction.MORE, 2**53 + 1),
    "AS DOUBLE)": Compares(Field("attributes.a", AttributeType.NUMBER), Direction.MORE, 0.5),
    "= 'true')": Equals(Field("attributes.a", AttributeType.BOOLEAN), True),
    "JSON_TABLE(images.tags,": Contains(TAGS, Place.START, "x"),
    "EXISTS": Present(Field("attributes.a", AttributeType.STRINGS)),
}


async def test_every_field_can_be_filtered_ordered_and_counted_by(tmp_path: Path) -> None:
    catalog = await opened(tmp_path)
    uid = (await catalog.create_collection(DRAFT)).uid
    await catalog.commit(uid, [put("a"), put("b")])
    for name, kind in SYSTEM_FIELDS.items():
        field = Field(name, kind)
        found = await catalog.find_uids(uid, Present(field), 9)
        assert len(found) == await catalog.count_images(uid, Present(field)), name
        assert sum(count for _, count in await catalog.facet(uid, None, field, 9)) == len(found), name
        if kind is not AttributeType.STRINGS:
            order = (OrderKey(field),)
            assert len(await catalog.find_images(uid, Listing(None, order), (), 9)) == 2, name
    await catalog.close()


@pytest.mark.parametrize("piece", FILTERS)
def test_filters_have_a_form_for_mysql_with_bound_values(piece: str) -> None:
    compiled = select(images.c.uid).where(condition(FILTERS[piece])).compile(dialect=mysql.dialect())
    assert piece in str(compiled)
    assert "DROP" not in str(compiled)
    assert compiled.params

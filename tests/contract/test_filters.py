"""One filter means the same rows in the catalogue, in the vector indexes and in plain Python."""

import asyncio
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soutu.adapters.catalog import SqlCatalog
from soutu.adapters.vectors.qdrant_edge import QdrantEdgeIndex
from soutu.domain.collection import AttributeType
from soutu.domain.fields import fields_of
from soutu.domain.filter import Equals, Field, Listing, Not, OrderKey, Present
from soutu.domain.image import AttributeValue, Content, Exif, Image, Keeping, Metadata, Origin, Original
from soutu.domain.labels import PredictedLabel
from soutu.domain.query import Point
from soutu.domain.writing import Put
from soutu.filters.evaluate import accepts
from soutu.filters.literals import literal_of
from soutu.filters.parse import parse_filter
from soutu.ports import VectorIndex
from tests.contract.catalog_fixtures import MovableClock, content, put, vector
from tests.contract.filled_stores import GENERATION, MANY, Stores, World
from tests.contract.milvus import TestedMilvus

EXAMPLES = pytest.mark.parametrize("examples", [10, pytest.param(200, marks=pytest.mark.slow)])
_MOST_EXAMPLES = {"qdrant_edge": 1_000_000, "milvus": 10}  # a write into Milvus takes 0.2 s
CHECKS_LEFT_OUT = (HealthCheck.too_slow, HealthCheck.data_too_large)
DIFFICULT = (
    "cat", "Cat", "CAT", "cät", "ca\u0308t", "ſ", "ß", "ss", "é", "e\u0301", "K", "\u212a", "😀", "搜图", " ",
    "a b", "%", "_", "*", "\\", '"', "'", "';DROP TABLE images;--", "a' OR '1'='1", "$time", '{"$time":"x"}',
    "null", "0", "\n", "\uffff", "\U0010ffff", "İ", "[]", "[1]", '["cat"]', "true", "x" * 256, "rating = 1",
)  # fmt: skip
TEXTS = st.one_of(
    st.sampled_from(DIFFICULT),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5),
    st.text("aAäb ", max_size=4),
)
INTEGERS = st.one_of(
    st.integers(-3, 3),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([2**53 - 1, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 2**62 + 1]),
)
NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, -0.0, 0.1, 0.1 + 2**-56, 0.3, 0.1 + 0.2, 5e-324, 1.7976931348623157e308, 2.0**53]),
)
ZONES = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.one_of(
    st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 30), timezones=ZONES),
    st.sampled_from(
        [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=step) for step in range(-2, 3)]
    ),
    st.sampled_from([datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)]),
)
TEXT_SETS = st.lists(TEXTS, max_size=3, unique=True).map(tuple)
VALUES: Mapping[AttributeType, st.SearchStrategy[AttributeValue]] = {
    AttributeType.STRING: TEXTS,
    AttributeType.INTEGER: INTEGERS,
    AttributeType.NUMBER: NUMBERS,
    AttributeType.BOOLEAN: st.booleans(),
    AttributeType.TIMESTAMP: MOMENTS,
    AttributeType.STRINGS: TEXT_SETS,
}
SYSTEM = {
    "name": AttributeType.STRING,
    "title": AttributeType.STRING,
    "category": AttributeType.STRING,
    "tags": AttributeType.STRINGS,
    "rating": AttributeType.INTEGER,
    "exif.camera": AttributeType.STRING,
    "exif.capture_time": AttributeType.TIMESTAMP,
    "content.width": AttributeType.INTEGER,
    "create_time": AttributeType.TIMESTAMP,
    "origin.path": AttributeType.STRING,
    "labels": AttributeType.STRINGS,
}
Schema = Mapping[str, AttributeType]
# A name always has the same type, so that all examples can share one index.
ATTRIBUTES = {f"{kind.value}_{number}": kind for kind in AttributeType for number in (1, 2)}
SCHEMAS: st.SearchStrategy[Schema] = st.sets(st.sampled_from(sorted(ATTRIBUTES)), min_size=1, max_size=5).map(
    lambda names: {name: ATTRIBUTES[name] for name in sorted(names)}
)


def fields_in(schema: Schema) -> list[Field]:
    """Some of the fields of every image, and those of the schema."""
    own = {f"attributes.{name}": kind for name, kind in schema.items()}
    return [Field(name, kind) for name, kind in {**SYSTEM, **own}.items()]


@st.composite
def rows(draw: st.DrawFn, schema: Schema) -> list[Put]:
    """Up to six images, most with some fields set."""
    count = draw(st.integers(1, 6))
    return [_row(draw, schema, f"i{number}") for number in range(count)]


def _row(draw: st.DrawFn, schema: Schema, name: str) -> Put:
    attributes = {key: draw(VALUES[kind]) for key, kind in schema.items() if draw(st.integers(0, 3))}
    exif = Exif(draw(TEXTS), "", draw(st.none() | MOMENTS))
    own: Content = replace(content(name), width=draw(st.integers(1, 3)), exif=exif)
    metadata = Metadata(
        title=draw(TEXTS),
        tags=draw(TEXT_SETS),
        category=draw(TEXTS),
        rating=draw(st.integers(0, 5)),
        attributes=attributes,
    )
    origin = Origin("s", f"{draw(TEXTS)}/{name}") if draw(st.booleans()) else None
    labels = tuple(PredictedLabel("s", text, 0.5) for text in draw(TEXT_SETS) if text)
    stored = Original(Keeping.STORED)
    return put(name, content=own, metadata=metadata, origin=origin, original=stored, labels=labels)


def quoted(text: str) -> str:
    return literal_of(Field("title", AttributeType.STRING), text) if text else '""'


@st.composite
def literals(draw: st.DrawFn, kind: AttributeType, values: Sequence[object]) -> str:
    """A value of the kind as filters write it: often one that a row has, with any zone."""
    own = [value for value in values if value is not None]
    known = bool(own) and draw(st.booleans())
    value: Any = draw(st.sampled_from(own)) if known else draw(VALUES[kind])
    if isinstance(value, datetime):
        zone = draw(ZONES)
        shifted = value.astimezone(zone) if 2 < value.year < 9998 else value
        return shifted.isoformat(timespec=draw(st.sampled_from(["auto", "microseconds"])))
    if isinstance(value, float):
        return draw(st.sampled_from(["{!r}", "{:.17g}", "{:e}"])).format(value)
    if isinstance(value, tuple):
        items: list[str] = list(value)
        value = draw(st.sampled_from(items)) if items else "cat"
    return quoted(value) if isinstance(value, str) else str(value).lower()


@st.composite
def comparisons(draw: st.DrawFn, schema: Schema, images: Sequence[Put]) -> str:
    """One comparison that the schema takes."""
    field = draw(st.sampled_from(fields_in(schema)))
    name, kind = field.name, field.type
    if not draw(st.integers(0, 5)):
        return f"{name}:*"
    known = [image.metadata.attributes.get(name.removeprefix("attributes.")) for image in images]
    if name in ("title", "category", "tags"):
        known = [getattr(image.metadata, name) for image in images]
    literal = draw(literals(kind, known))
    if kind is AttributeType.BOOLEAN:
        return f"{name} {draw(st.sampled_from(['=', '!=']))} {literal}"
    if kind in (AttributeType.STRING, AttributeType.STRINGS) and draw(st.booleans()):
        return f"{name}:{draw(wildcards(literal))}" if literal != '""' else f"{name}:*"
    if kind is AttributeType.STRINGS:
        return f"{name}:{literal}" if literal != '""' else f"-{name}:*"
    if kind is AttributeType.STRING and draw(st.booleans()):
        return f"{name} {draw(st.sampled_from(['=', '!=']))} {draw(wildcards(literal))}"
    return f"{name} {draw(st.sampled_from(['=', '!=', '<', '<=', '>', '>=']))} {literal}"


@st.composite
def wildcards(draw: st.DrawFn, literal: str) -> str:
    """The text with stars at its ends, or without."""
    inside = literal[1:-1] if literal.startswith('"') else literal
    before, after = draw(st.sampled_from(["", "*"])), draw(st.sampled_from(["", "*"]))
    return f'"{before}{inside}{after}"'


@st.composite
def filters(draw: st.DrawFn, schema: Schema, images: Sequence[Put], depth: int = 3) -> str:
    """Expressions of AND, OR, NOT, - and parentheses."""
    kind = draw(st.sampled_from(["", "", "NOT ", "-", " AND ", " OR ", " "])) if depth else ""
    if kind == "":
        return draw(comparisons(schema, images))
    inner = draw(filters(schema, images, depth - 1))
    if kind in ("NOT ", "-"):
        return f"{kind}({inner})"
    return f"({inner}{kind}{draw(filters(schema, images, depth - 1))})"


@pytest.fixture(params=["qdrant_edge", pytest.param("milvus", marks=pytest.mark.slow)])
def world(request: pytest.FixtureRequest, catalog_url: str, tmp_path: Path) -> Iterator[World]:
    with asyncio.Runner() as runner:
        catalog = runner.run(SqlCatalog.open(catalog_url, MovableClock()))
        engine = _engine(request, tmp_path / "index")
        yield World(runner, catalog, engine, _MOST_EXAMPLES[request.param])
        runner.run(engine.close())
        runner.run(catalog.close())


def _engine(request: pytest.FixtureRequest, directory: Path) -> VectorIndex:
    if request.param == "qdrant_edge":
        return QdrantEdgeIndex(directory, threads=1)
    milvus: TestedMilvus = request.getfixturevalue("milvus")
    request.addfinalizer(milvus.clear)
    return milvus.index()


async def check(within: Stores, text: str) -> None:
    filter_ = parse_filter(text, within.collection)
    assert filter_ is not None
    wanted = {image.uid for image in within.images if accepts(filter_, fields_of(image))}
    uid, listing = within.collection.uid, Listing(filter_)
    assert set(await within.catalog.find_uids(uid, filter_, MANY)) == wanted, text
    assert {image.uid for image in await within.catalog.find_images(uid, listing, (), MANY)} == wanted, text
    assert await within.catalog.count_images(uid, filter_) == len(wanted), text
    assert await within.found(within.world.exact, filter_) == wanted, text
    assert await within.found(within.world.engine, filter_) >= wanted, text
    others = {image.uid for image in within.images} - wanted
    assert await within.found(within.world.engine, Not(filter_)) >= others, text


@EXAMPLES
def test_a_filter_means_the_same_everywhere(world: World, examples: int) -> None:
    @settings(
        max_examples=min(examples, world.most_examples), deadline=None, suppress_health_check=CHECKS_LEFT_OUT
    )
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        schema = data.draw(SCHEMAS)
        puts = data.draw(rows(schema))
        texts = data.draw(st.lists(filters(schema, puts), min_size=1, max_size=8))

        async def run() -> None:
            async with world.filled(schema, puts) as within:
                for text in texts:
                    await check(within, text)

        world.run(run())

    holds()


@EXAMPLES
def test_facets_count_what_their_values_select(world: World, examples: int) -> None:
    @settings(
        max_examples=min(examples, world.most_examples), deadline=None, suppress_health_check=CHECKS_LEFT_OUT
    )
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        schema = data.draw(SCHEMAS)
        puts = data.draw(rows(schema))

        async def run() -> None:
            async with world.filled(schema, puts) as within:
                for name, kind in {
                    **SYSTEM,
                    **{f"attributes.{each}": schema[each] for each in schema},
                }.items():
                    await check_facet(within, Field(name, kind))

        world.run(run())

    holds()


async def check_facet(within: Stores, field: Field) -> None:
    """Each value, written as a filter, is had by as many images as the facet says; all values are there."""
    found = await within.catalog.facet(within.collection.uid, None, field, MANY)
    for value, count in found:
        comparator = ":" if field.type is AttributeType.STRINGS else "="
        if comparator == ":" and value == "":
            continue
        text = f"{field.name}{comparator}{literal_of(field, value)}"
        filter_ = parse_filter(text, within.collection)
        assert filter_ == Equals(field, value)
        assert await within.catalog.count_images(within.collection.uid, filter_) == count, text
    values = [fields_of(image).get(field.name) for image in within.images]
    items = [item for value in values for item in (value if isinstance(value, tuple) else [value])]
    assert len({item for item in items if item is not None}) == len({value for value, _ in found})
    counts = [count for _, count in found]
    assert counts == sorted(counts, reverse=True)


@EXAMPLES
def test_pages_of_an_ordered_list_are_the_list(world: World, examples: int) -> None:
    @settings(
        max_examples=min(examples, world.most_examples), deadline=None, suppress_health_check=CHECKS_LEFT_OUT
    )
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        schema = data.draw(SCHEMAS)
        puts = data.draw(rows(schema))
        ordered = [field for field in fields_in(schema) if field.type is not AttributeType.STRINGS]
        chosen = data.draw(st.lists(st.sampled_from(ordered), min_size=1, max_size=3, unique=True))
        order = tuple(OrderKey(field, data.draw(st.booleans())) for field in chosen)

        async def run() -> None:
            async with world.filled(schema, puts) as within:
                assert await paged(within, order, 1) == in_order(within.images, order)
                assert await paged(within, order, 4) == in_order(within.images, order)

        world.run(run())

    holds()


async def paged(within: Stores, order: tuple[OrderKey, ...], size: int) -> list[str]:
    ids: list[str] = []
    after: tuple[object, ...] = ()
    while page := await within.catalog.find_images(within.collection.uid, Listing(None, order), after, size):
        ids += [image.id for image in page]
        fields = fields_of(page[-1])
        after = (*(fields.get(key.field.name) for key in order), page[-1].id)
    return ids


def in_order(images: Sequence[Image], order: tuple[OrderKey, ...]) -> list[str]:
    """As Python's stable sort has it, from the last key to the first."""
    found = sorted(images, key=lambda image: image.id)
    for key in reversed(order):
        found.sort(key=lambda image: sortable(image, key.field.name), reverse=key.descending)
    return [image.id for image in found]


def sortable(image: Image, name: str) -> tuple[bool, object]:
    value = fields_of(image).get(name)
    return value is not None, value if value is not None else 0


NAMES = {
    "collections/{}/*": {"cat-1", "cat-2", "dog"},
    "collections/{}/images/*": {"cat-1", "cat-2", "dog"},
    "collections/{}/images/cat*": {"cat-1", "cat-2"},
    "*/images/cat*": {"cat-1", "cat-2"},
    "*/dog": {"dog"},
    "collections/other/*": set(),
    "cat*": {"cat-1", "cat-2"},
}


def test_wildcards_in_names_see_whole_names_where_they_have_slashes(world: World) -> None:
    async def run() -> None:
        async with world.filled({}, [put(name) for name in ("cat-1", "cat-2", "dog")]) as within:
            for pattern, wanted in NAMES.items():
                text = f'name = "{pattern.format(within.collection.id)}"'
                await check(within, text)
                listing = Listing(parse_filter(text, within.collection))
                found = await within.catalog.find_images(within.collection.uid, listing, (), MANY)
                assert {image.id for image in found} == wanted, text

    world.run(run())


def test_not_a_number_is_a_field_that_is_not_set(world: World) -> None:
    field = Field("attributes.number_1", AttributeType.NUMBER)
    point = Point(1, 1, vector(), {"attributes.number_1": math.nan})

    async def run() -> None:
        async with world.filled(ATTRIBUTES, []) as within:
            for index in (world.engine, world.exact):
                await index.write(GENERATION, [point], [])
                assert await within.found(index, Present(field)) == set()
                assert await within.found(index, Not(Present(field))) == {1}

    world.run(run())

"""Texts of filters, orders and fields: what they mean, and where they are wrong."""

import pickle
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soutu.domain.collection import AttributeType, Collection
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.fields import SYSTEM_FIELDS
from soutu.domain.filter import (
    And,
    Compares,
    Contains,
    Direction,
    Equals,
    Field,
    Filter,
    Not,
    Or,
    OrderKey,
    Place,
    Present,
)
from soutu.filters.parse import parse_fields, parse_filter, parse_order

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ATTRIBUTES = {kind.value: kind for kind in AttributeType}
PHOTOS = Collection(1, "photos", "", "", ATTRIBUTES, 0, 1, 0, NOW, NOW)
NAME = Field("name", AttributeType.STRING)
TITLE, TAGS = Field("title", AttributeType.STRING), Field("tags", AttributeType.STRINGS)
RATING = Field("rating", AttributeType.INTEGER)


def own(kind: AttributeType) -> Field:
    return Field(f"attributes.{kind.value}", kind)


def rated(stars: int) -> Filter:
    return Equals(RATING, stars)


MEANINGS: dict[str, Filter] = {
    "rating = 3": rated(3),
    "rating=3": rated(3),
    "rating != 3": Not(rated(3)),
    "rating >= -3": Compares(RATING, Direction.AT_LEAST, -3),
    "rating:*": Compares(RATING, Direction.MORE, 0),
    "-rating = 3": Not(rated(3)),
    "NOT rating = 3": Not(rated(3)),
    "NOT (NOT rating = 3)": rated(3),
    "rating = 1 AND rating = 2": And((rated(1), rated(2))),
    "rating = 1 rating = 2": And((rated(1), rated(2))),
    "rating = 1 OR rating = 2 AND rating = 3": And((Or((rated(1), rated(2))), rated(3))),
    "rating = 1 AND rating = 2 OR rating = 3": And((rated(1), Or((rated(2), rated(3))))),
    "(rating = 1 AND rating = 2) OR rating = 3": Or((And((rated(1), rated(2))), rated(3))),
    "((((rating = 1))))": rated(1),
    "title = cat": Equals(TITLE, "cat"),
    'title = "a cat"': Equals(TITLE, "a cat"),
    "title = 'a \"cat\"'": Equals(TITLE, 'a "cat"'),
    r'title = "a \"cat\" \\ \* \n \u00e9 \ud83d\ude00"': Equals(TITLE, 'a "cat" \\ * \n é 😀'),
    "title = 搜图": Equals(TITLE, "搜图"),
    "title = ANDy": Equals(TITLE, "ANDy"),
    'title = "rating = 3) OR (rating = 4"': Equals(TITLE, "rating = 3) OR (rating = 4"),
    'title = ""': Not(Present(TITLE)),
    'title != ""': Present(TITLE),
    "title = *": Present(TITLE),
    "title:*": Present(TITLE),
    "title = cat*": Contains(TITLE, Place.START, "cat"),
    'title = "*cat"': Contains(TITLE, Place.END, "cat"),
    "title != *cat*": Not(Contains(TITLE, Place.ANYWHERE, "cat")),
    "title:cat": Contains(TITLE, Place.ANYWHERE, "cat"),
    "title:cat*": Contains(TITLE, Place.START, "cat"),
    "title < m": Compares(TITLE, Direction.LESS, "m"),
    "tags:cat": Equals(TAGS, "cat"),
    'tags:"*cat"': Contains(TAGS, Place.END, "cat"),
    "tags:*": Present(TAGS),
    "name = collections/photos/images/cat-1": Equals(NAME, "cat-1"),
    "name = collections/photos/images/cat-*": Contains(NAME, Place.START, "cat-"),
    "name = collections/photos/*": Present(NAME),
    "name = collections/photos/images/*": Present(NAME),
    "name:collections/photos/images/cat-1": Contains(NAME, Place.START, "cat-1"),
    'name = "*/images/cat*"': Contains(NAME, Place.START, "cat"),
    'name = "*/cat"': Equals(NAME, "cat"),
    'name:"otos/ima"': Present(NAME),
    'name = "*collections*"': Contains(NAME, Place.ANYWHERE, "collections"),
    "name = collections/pho*": Present(NAME),
    "name = collections/other/*": Contains(NAME, Place.START, "collections/other/"),
    "name < collections/photos/images/m": Compares(NAME, Direction.LESS, "m"),
    "keeping = STORED": Equals(Field("keeping", AttributeType.STRING), "stored"),
    "attributes.boolean = true": Equals(own(AttributeType.BOOLEAN), True),
    "attributes.boolean != false": Not(Equals(own(AttributeType.BOOLEAN), False)),
    "attributes.integer < 9223372036854775807": Compares(
        own(AttributeType.INTEGER), Direction.LESS, 2**63 - 1
    ),
    "attributes.number > -1.5e-3": Compares(own(AttributeType.NUMBER), Direction.MORE, -0.0015),
    "attributes.number = 3": Equals(own(AttributeType.NUMBER), 3.0),
    "attributes.timestamp = 2026-01-31T12:00:00+02:00": Equals(
        own(AttributeType.TIMESTAMP), datetime(2026, 1, 31, 10, tzinfo=UTC)
    ),
    'attributes.timestamp > "2026-01-31t12:00:00.123456z"': Compares(
        own(AttributeType.TIMESTAMP), Direction.MORE, datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
    ),
}

# Where the mistake is, counted from 1.
MISTAKES: dict[str, int] = {
    "rating": 7,
    "rating =": 9,
    "= 3": 1,
    "rating = 3 AND": 15,
    "AND rating = 3": 1,
    "rating = 3 OR OR rating = 4": 15,
    "NOT NOT rating = 3": 5,
    "(rating = 3": 12,
    "rating = 3)": 11,
    "rating = (3)": 10,
    "rating == 3": 9,
    "rating = 3 = 4": 12,
    "rating = AND": 10,
    "cat": 4,
    '"a cat"': 1,
    "sort(rating)": 5,
    "rating = 3; DROP TABLE images": 18,
    "nope = 1": 1,
    "attributes.nope = 1": 1,
    "integer = 1": 1,
    "rating = cat": 10,
    "rating = 3.5": 10,
    'rating = "3"': 10,
    "rating:3": 1,
    "rating = NaN": 10,
    "attributes.integer = 9223372036854775808": 22,
    "attributes.number = NaN": 21,
    "attributes.number = inf": 21,
    "attributes.number = 1e999": 21,
    "attributes.boolean = 1": 22,
    "attributes.boolean > true": 1,
    "attributes.timestamp = 2026-01-31": 24,
    "attributes.timestamp = 2026-01-31T12:00:00": 24,
    "attributes.timestamp = 2026-02-30T12:00:00Z": 24,
    "attributes.timestamp = 0001-01-01T00:00:00+01:00": 24,
    "attributes.timestamp = 2026-01-31T12:00:00.1234567Z": 24,
    "tags = cat": 1,
    'tags:""': 6,
    'title:""': 7,
    "title < c*": 9,
    "title = c*t": 9,
    'title = "cat': 9,
    r'title = "\q"': 10,
    r'title = "\ud83d"': 9,
    r'title = "\u0000"': 9,
    "title = a\0": 10,
    "title = \ud800": 9,
    "keeping = stored": 11,
    "keeping > STORED": 1,
}

HUGE = {
    "5,000 parentheses": "(" * 5_000,
    "5,000 closed parentheses": "(" * 3_000 + "rating = 1" + ")" * 3_000,
    "33 parentheses": "(" * 33 + "rating = 1" + ")" * 33,
    "a megabyte": "x" * 1_000_000,
    "a megabyte of terms": "rating = 1 OR " * 70_000,
    "129 terms": "rating=1 " * 129,
    "8,000 negations": "-" * 8_000,
    "2,000 NOTs": "NOT " * 2_000,
    "8,000 quotes": '"' * 8_000,
    "8,000 backslashes": "\\" * 8_000,
    "8,000 digits": "rating = " + "9" * 8_000,
    "8,000 dots": "a." * 4_000,
}


@pytest.mark.parametrize("text", MEANINGS)
def test_a_filter_means(text: str) -> None:
    assert parse_filter(text, PHOTOS) == MEANINGS[text]


@pytest.mark.parametrize("text", ["", " ", "\n\t"])
def test_a_blank_filter_is_none(text: str) -> None:
    assert parse_filter(text, PHOTOS) is None


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_told_with_its_column(text: str) -> None:
    with pytest.raises(SoutuError) as raised:
        parse_filter(text, PHOTOS)
    assert raised.value.reason is Reason.FILTER_INVALID
    assert raised.value.metadata == {"field": "filter", "column": str(MISTAKES[text])}
    assert raised.value.message.startswith(f"filter, column {MISTAKES[text]}: ")
    assert raised.value.message.isprintable()


def test_what_a_field_is_has_its_article() -> None:
    for text, kind in (("rating:3", "rating is an integer;"), ("attributes.number:3", "number is a number;")):
        with pytest.raises(SoutuError, match=kind):
            parse_filter(text, PHOTOS)


@pytest.mark.parametrize("name", HUGE)
def test_huge_filters_are_refused_at_once(name: str) -> None:
    parse_filter("rating = 1", PHOTOS)
    started = time.process_time()
    with pytest.raises(SoutuError) as raised:
        parse_filter(HUGE[name], PHOTOS)
    assert raised.value.reason is Reason.FILTER_INVALID
    assert time.process_time() - started < 0.5
    assert len(raised.value.message) < 500


def test_the_limits_themselves_are_taken() -> None:
    assert parse_filter("(" * 32 + "rating = 1" + ")" * 32, PHOTOS) == rated(1)
    assert parse_filter(" AND ".join(["rating = 1"] * 128), PHOTOS) == And((rated(1),) * 128)
    assert parse_filter(f"title = {'x' * 8_184}", PHOTOS) == Equals(TITLE, "x" * 8_184)


def test_parentheses_in_texts_do_not_count() -> None:
    assert parse_filter(f'title = "{"(" * 100}"', PHOTOS) == Equals(TITLE, "(" * 100)


@given(st.text(max_size=60) | st.text("ratingle=<>:()\"'*\\ANDORT-. 0123\n", max_size=40))
def test_any_text_is_a_filter_or_refused_as_one(text: str) -> None:
    filter_, error = parsed(text)
    if error:
        assert error.reason is Reason.FILTER_INVALID
        assert 1 <= int(error.metadata["column"]) <= len(text) + 1
    else:
        assert filter_ is None or pickle.loads(pickle.dumps(filter_)) == filter_  # noqa: S301 (our own bytes)


def parsed(text: str) -> tuple[Filter | None, SoutuError | None]:
    try:
        return parse_filter(text, PHOTOS), None
    except SoutuError as error:
        return None, error


def test_an_unknown_field_is_told_what_there_is() -> None:
    with pytest.raises(SoutuError, match="title, tags, category"):
        parse_filter("nope = 1", PHOTOS)
    with pytest.raises(SoutuError, match=r"attributes\.boolean, attributes\.integer"):
        parse_filter("attributes.nope = 1", PHOTOS)


def test_every_system_field_can_be_asked_for() -> None:
    for name in SYSTEM_FIELDS:
        assert parse_filter(f"{name}:*", PHOTOS) is not None


def test_an_order_has_keys() -> None:
    keys = parse_order("rating desc,  title , attributes.number asc", PHOTOS)
    expected = (OrderKey(RATING, True), OrderKey(TITLE), OrderKey(own(AttributeType.NUMBER)))
    assert keys == expected
    assert parse_order(" ", PHOTOS) == ()


@pytest.mark.parametrize(
    "text",
    [
        "nope",
        "rating down",
        "rating,",
        ",rating",
        "rating desc asc",
        "tags",
        "attributes.strings",
        "rating, rating desc",
        "rating DESC",
        "rating; DROP TABLE images",
        ", ".join(list(SYSTEM_FIELDS)[:9]),
        "x" * 100_000,
    ],
)
def test_what_is_no_order_is_refused(text: str) -> None:
    with pytest.raises(SoutuError) as raised:
        parse_order(text, PHOTOS)
    assert raised.value.reason is Reason.FIELD_INVALID
    assert raised.value.metadata["field"] == "order_by"
    assert len(raised.value.message) < 500


def test_fields_are_known_and_named_once() -> None:
    assert parse_fields(["title", "tags"], PHOTOS) == (TITLE, TAGS)
    with pytest.raises(SoutuError, match=r"fields\[1\]"):
        parse_fields(["title", "nope"], PHOTOS)
    with pytest.raises(SoutuError, match="twice"):
        parse_fields(["title", "title"], PHOTOS)

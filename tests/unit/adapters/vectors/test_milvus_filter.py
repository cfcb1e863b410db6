"""What Milvus can narrow itself down to, and that no value ends the literal that it is written in."""

import re
from datetime import UTC, datetime

import pytest

from soutu.adapters.vectors.milvus_filter import condition_of, moment_of, narrowing
from soutu.domain.collection import AttributeType, Collection
from soutu.domain.filter import Contains, Equals, Field, Place
from soutu.domain.query import EVERYTHING, Scope
from soutu.filters.parse import parse_filter

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ATTRIBUTES = {kind.value: kind for kind in AttributeType}
PHOTOS = Collection(1, "photos", "", "", ATTRIBUTES, 0, 1, 0, NOW, NOW)
CATEGORY = Field("category", AttributeType.STRING)


def over(text: str) -> str:
    filter_ = parse_filter(text, PHOTOS)
    assert filter_ is not None
    return narrowing(filter_).over


def is_loose(text: str) -> bool:
    filter_ = parse_filter(text, PHOTOS)
    assert filter_ is not None
    return narrowing(filter_).over_is_loose


@pytest.mark.parametrize(
    "text",
    [
        "category = cat",
        "category = cat*",
        "category < m",
        "-category = cat",
        "-attributes.number = 0.1",
        "attributes.string >= m",
        "rating >= 3 AND -tags:cat",
        "create_time < 2026-01-01T00:00:00Z",
    ],
)
def test_milvus_narrows_itself_down_to(text: str) -> None:
    assert not is_loose(text)


@pytest.mark.parametrize(
    "text",
    ["title:cat", "name = cat-1", "category = *cat", "category = *cat*", "tags:cat*", "-category = *cat"],
)
def test_the_catalogue_is_asked_for(text: str) -> None:
    assert is_loose(text)


def test_terms_are_expressions_over_the_json_field() -> None:
    assert over("rating >= 3") == '(fields["rating"] >= 3)'
    assert over("tags:cat") == '(json_contains(fields["tags"], "cat"))'
    assert over("-attributes.boolean = true") == '(not (fields["a_boolean"] == 1))'
    assert over("exif.camera:*") == '(exists fields["exif_camera"])'
    assert over("-category = *cat") == "(not (uid < 0))"
    assert over("category = ca*") == '(fields["category"] >= "ca" and fields["category"] < "cb")'


def test_the_least_integer_is_said_without_being_written() -> None:
    least, name = -(2**63), "attributes.integer"
    assert over(f"{name} = {least}") == '(fields["a_integer"] < -9223372036854775807)'
    assert over(f"{name} <= {least}") == over(f"{name} = {least}")
    assert over(f"{name} < {least}") == "(uid < 0)"
    assert over(f"{name} > {least}") == '(fields["a_integer"] >= -9223372036854775807)'
    assert over(f"{name} >= {least}") == '(exists fields["a_integer"])'


@pytest.mark.parametrize(
    "text", ['" or uid >= 0 or "', "' or 1 == 1", "\\", '\\" or true', "a\nb", "搜图😀", "%_*", "\0"]
)
def test_no_value_ends_its_literal(text: str) -> None:
    written = narrowing(Equals(CATEGORY, text)).over
    assert re.fullmatch(
        r'\(fields\["category"\] == "([A-Za-z0-9_ ]|\\u[0-9a-f]{4}|\\U[0-9a-f]{8})*"\)', written
    )
    literal = written.split("== ")[1][1:-2]
    escape = r"\\u([0-9a-f]{4})|\\U([0-9a-f]{8})"
    assert re.sub(escape, lambda found: chr(int(found[1] or found[2], 16)), literal) == text


def test_a_beginning_ends_before_the_next_text() -> None:
    starting = [
        narrowing(Contains(CATEGORY, Place.START, text)).over
        for text in ("\ud7ff", "a\U0010ffff", "\U0010ffff")
    ]
    assert starting[0].endswith('< "\\ue000")')
    assert starting[1].endswith('< "b")')
    assert starting[2] == '(fields["category"] >= "\\U0010ffff")'


def test_moments_are_whole_microseconds() -> None:
    assert moment_of(datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)) == 253402300799999999
    assert moment_of(datetime(1, 1, 1, tzinfo=UTC)) == -62135596800000000


def test_scopes_become_conditions() -> None:
    assert condition_of(EVERYTHING) == ""
    assert condition_of(Scope(exact=True)) == ""
    assert condition_of(Scope(uids=frozenset({3, 1}))) == "uid in [1,3]"
    assert condition_of(Scope(Equals(CATEGORY, "a"))) == '((fields["category"] == "a") or cut == true)'

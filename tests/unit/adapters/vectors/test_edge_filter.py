"""Which filters the engine can narrow itself down to, and which are left to the catalogue."""

from datetime import UTC, datetime

import pytest

from soutu.adapters.vectors.edge_filter import condition_of, narrowing
from soutu.domain.collection import AttributeType, Collection
from soutu.domain.query import EVERYTHING, Scope
from soutu.filters.parse import parse_filter

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ATTRIBUTES = {kind.value: kind for kind in AttributeType}
PHOTOS = Collection(1, "photos", "", "", ATTRIBUTES, 0, 1, 0, NOW, NOW)


def is_loose(text: str) -> bool:
    filter_ = parse_filter(text, PHOTOS)
    assert filter_ is not None
    return narrowing(filter_).over_is_loose


@pytest.mark.parametrize(
    "text",
    [
        "category = cat",
        "category:cat",
        "category = cat*",
        "-category = cat",
        "tags:cat",
        "rating >= 3 AND -tags:cat",
        "attributes.integer > 9223372036854775806",
        "attributes.number = 0.1",
        "attributes.number < 0.1",
        "NOT attributes.number < 0.1",
        "attributes.boolean = true OR attributes.string:*",
        "create_time < 2026-01-01T00:00:00Z",
    ],
)
def test_the_engine_narrows_itself_down_to(text: str) -> None:
    assert not is_loose(text)


@pytest.mark.parametrize(
    "text",
    [
        "title:cat",
        "name = cat-1",
        "-origin.path:raw",
        "category = *cat",
        "category < m",
        "attributes.string >= m",
        "-attributes.number = 0.1",
        "rating = 3 OR title:cat",
        "rating = 3 AND title:cat",
        "NOT (rating = 3 AND title:cat)",
    ],
)
def test_the_catalogue_is_asked_for(text: str) -> None:
    assert is_loose(text)


def test_everything_has_no_condition() -> None:
    assert condition_of(EVERYTHING) is None
    assert condition_of(Scope(exact=True)) is None
    assert condition_of(Scope(uids=frozenset())) is not None

"""What filters accept, row by row."""

from datetime import UTC, datetime

import pytest

from soutu.domain.collection import AttributeType, Collection
from soutu.filters.evaluate import accepts
from soutu.filters.parse import parse_filter

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ATTRIBUTES = {"price": AttributeType.NUMBER, "sold": AttributeType.BOOLEAN}
PHOTOS = Collection(1, "photos", "", "", ATTRIBUTES, 0, 1, 0, NOW, NOW)
CAT = {
    "title": "A Cat",
    "tags": ("pet", "Zürich"),
    "rating": 0,
    "create_time": NOW,
    "attributes.sold": False,
}


@pytest.mark.parametrize(
    "text",
    [
        'title = "A Cat"',
        "title:Cat",
        "title:A*",
        "title < B",
        "tags:pet",
        "tags:Zü*",
        "rating = 0",
        "rating < 1",
        "-rating:*",
        "create_time <= 2026-01-01T02:00:00+02:00",
        "attributes.sold = false",
        "attributes.sold:*",
        "attributes.sold != true",
        'category = ""',
        "category != cat",
        "NOT category = cat",
        "-category < m",
        "-category >= m",
        "-attributes.price < 1",
        "attributes.price != 1",
        "title:Cat AND (tags:dog OR tags:pet) AND -tags:dog",
    ],
)
def test_is_accepted(text: str) -> None:
    filter_ = parse_filter(text, PHOTOS)
    assert filter_ is not None
    assert accepts(filter_, CAT)


@pytest.mark.parametrize(
    "text",
    [
        'title = "a cat"',
        "title:cat",
        "tags:Pet",
        "tags:Zurich",
        "tags:pe",
        "rating:*",
        "category < m",
        "category >= m",
        "category:*",
        "attributes.price = 0",
        "attributes.price < 1",
        "attributes.sold = true",
        "create_time < 2026-01-01T02:00:00+02:00",
        "title:Cat AND tags:dog",
    ],
)
def test_is_not_accepted(text: str) -> None:
    filter_ = parse_filter(text, PHOTOS)
    assert filter_ is not None
    assert not accepts(filter_, CAT)

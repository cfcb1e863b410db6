"""Attributes on the command line."""

import pytest

from soutu.cli.attributes import attributes_of
from soutu.cli.failures import CommandError
from soutu.v1.attribute_pb2 import ATTRIBUTE_TYPE_INTEGER, ATTRIBUTE_TYPE_STRINGS


def test_they_are_names_with_types() -> None:
    made = attributes_of(["year=integer", "people=strings"])
    assert {name: each.type for name, each in made.items()} == {
        "year": ATTRIBUTE_TYPE_INTEGER,
        "people": ATTRIBUTE_TYPE_STRINGS,
    }


@pytest.mark.parametrize("text", ["year", "=integer", "year=", "year=unspecified", "year=date"])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="NAME=TYPE"):
        attributes_of([text])

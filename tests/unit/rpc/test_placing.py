"""Places of ordered lists in page tokens, written and read, also where somebody has made them up."""

from datetime import UTC, datetime

import pytest

from soutu.domain.collection import AttributeType
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.filter import Field, OrderKey
from soutu.rpc.listing import list_token
from soutu.rpc.placing import place_reader, place_token

ORDER = tuple(OrderKey(Field(kind.value, kind)) for kind in AttributeType if kind != AttributeType.STRINGS)
PLACE = ("Zürich 搜图", 2**63 - 1, 0.1, True, datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), "cat-1")


def test_a_place_is_read_as_it_was_written() -> None:
    assert place_reader("list", place_token("list", PLACE))(ORDER) == PLACE
    unset = (None, None, None, None, None, "cat-1")
    assert place_reader("list", place_token("list", unset))(ORDER) == unset


def test_no_token_is_the_beginning() -> None:
    assert place_reader("list", "")(ORDER) == ()


def test_a_token_of_another_list_is_refused() -> None:
    with pytest.raises(SoutuError) as raised:
        place_reader("other", place_token("list", PLACE))(ORDER)
    assert raised.value.reason is Reason.PAGE_TOKEN_INVALID


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (AttributeType.STRING, 1),
        (AttributeType.STRING, "a\0"),
        (AttributeType.STRING, "\ud800"),
        (AttributeType.STRING, ["a"]),
        (AttributeType.INTEGER, "1"),
        (AttributeType.INTEGER, True),
        (AttributeType.INTEGER, 2**63),
        (AttributeType.NUMBER, float("nan")),
        (AttributeType.NUMBER, float("inf")),
        (AttributeType.NUMBER, "1"),
        (AttributeType.BOOLEAN, 1),
        (AttributeType.TIMESTAMP, "2026-01-01"),
        (AttributeType.TIMESTAMP, "yesterday"),
        (AttributeType.TIMESTAMP, 0),
    ],
)
def test_a_made_up_key_is_refused(kind: AttributeType, value: object) -> None:
    order = (OrderKey(Field("a", kind)),)
    with pytest.raises(SoutuError) as raised:
        place_reader("list", list_token("list", [value, "cat-1"]))(order)
    assert raised.value.reason is Reason.PAGE_TOKEN_INVALID


@pytest.mark.parametrize("items", [[], ["cat-1", "cat-1"], [1], ["A B"], [None], ["../x"]])
def test_a_made_up_place_is_refused_or_the_beginning(items: list[object]) -> None:
    read = place_reader("list", list_token("list", items))
    if not items:
        assert read(()) == ()
        return
    with pytest.raises(SoutuError) as raised:
        read(())
    assert raised.value.reason is Reason.PAGE_TOKEN_INVALID

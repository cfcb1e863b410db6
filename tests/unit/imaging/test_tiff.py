"""TIFF structures that are sound, cut short, or made to lead around in circles."""

import struct

import pytest

from soutu.imaging.tiff import Tiff
from tests.unit.imaging.raws import ASCII, LONG, SHORT, Page, Tag, tiff


@pytest.mark.parametrize("order", ["<", ">"])
def test_values_are_read_where_they_lie(order: str) -> None:
    drawn = Tiff(
        tiff([Page([Tag(256, SHORT, [7]), Tag(258, SHORT, [8, 9, 10]), Tag(271, ASCII, b"Maker\0")])], order)
    )
    first = drawn.first()
    assert (drawn.number(first, 256), drawn.numbers(first, 258), drawn.text(first, 271)) == (
        7,
        (8, 9, 10),
        "Maker",
    )
    assert (drawn.number(first, 999, 5), drawn.numbers(first, 271), drawn.text(first, 256)) == (5, (), "")


def test_directories_below_others_are_found() -> None:
    pages = [Page([Tag(256, LONG, [number])]) for number in (1, 2, 3)]
    drawn = Tiff(tiff(pages))
    assert [drawn.number(each, 256) for each in drawn.directories()] == [1, 2, 3]
    assert [drawn.number(each, 256) for each in drawn.directories(())] == [1]


def test_circles_are_walked_once_and_chains_end() -> None:
    circle = b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 330, 4, 1, 8) + struct.pack("<I", 8)
    assert len(list(Tiff(circle).directories())) == 1
    chain = b"II*\0\x08\0\0\0" + b"".join(struct.pack("<HI", 0, 8 + 6 * number) for number in range(1, 999))
    assert len(list(Tiff(chain).directories())) == 32


def test_what_is_cut_short_is_read_as_far_as_it_goes() -> None:
    whole = tiff([Page([Tag(256, LONG, [7]), Tag(270, ASCII, b"x" * 90)])])
    for length in range(len(whole)):
        drawn = Tiff(whole[:length])
        assert drawn.number(drawn.first(), 256) in (0, 7)
        assert set(drawn.text(drawn.first(), 270)) <= {"x"}


def test_a_bound_on_entries_is_kept() -> None:
    many = tiff([Page([Tag(1_000 + number, SHORT, [1]) for number in range(50)])])
    assert len(Tiff(many).first()) == 50
    assert len(Tiff(many, 10).first()) == 10

"""The contact sheet: its size, its lines, and pictures that are not there."""

import io

import pytest
from PIL import Image

from soutu.cli.lettering import TEXT_PX, font_for, shortened
from soutu.cli.sheet import COLUMNS, MARGIN_PX, TILE_PX, Sheet, Tile, draw_sheet

RED = (200, 30, 30)


def picture(width: int = 64, height: int = 48) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), RED).save(buffer, format="PNG")
    return buffer.getvalue()


def sheet(matches: int, queries: int = 1, content: bytes | None = None) -> Sheet:
    tile = Tile(picture() if content is None else content, "cat.jpg", "1", "0.931")
    return Sheet("photos", "10 matches", [tile] * queries, [tile] * matches)


def test_rows_are_as_many_as_the_longer_side_needs() -> None:
    one, two, queries = draw_sheet(sheet(3)), draw_sheet(sheet(COLUMNS + 1)), draw_sheet(sheet(3, queries=2))
    assert one.height < two.height == queries.height
    assert one.width < two.width


def test_the_paper_is_white_and_margins_are_empty() -> None:
    page = draw_sheet(sheet(10))
    frame = [
        page.crop((0, 0, page.width, MARGIN_PX - 8)),
        page.crop((0, 0, MARGIN_PX, page.height)),
        page.crop((page.width - MARGIN_PX, 0, page.width, page.height)),
        page.crop((0, page.height - MARGIN_PX + 8, page.width, page.height)),
    ]
    assert all(side.getextrema() == ((255, 255),) * 3 for side in frame)


def test_the_pictures_are_on_it() -> None:
    colours = draw_sheet(sheet(1)).getcolors(1 << 20)
    shown = {colour: count for count, colour in colours or []}
    assert shown[RED] > TILE_PX * TILE_PX


@pytest.mark.parametrize("content", [b"", b"no picture", picture()[:40]], ids=["none", "text", "cut short"])
def test_a_picture_that_cannot_be_shown_leaves_a_blank(content: bytes) -> None:
    assert draw_sheet(sheet(2, content=content)).size == draw_sheet(sheet(2)).size


def test_no_matches_are_said() -> None:
    assert draw_sheet(sheet(0)).getbbox() is not None


@pytest.mark.parametrize("name", ["搜图.jpg", "𝕏🙂.png", "عكس.gif", "a\nb", "", "x" * 5_000])
def test_any_name_can_be_written(name: str) -> None:
    tile = Tile(picture(), name, name, name)
    page = draw_sheet(Sheet(name, name, [tile], [tile]))
    assert page.size == draw_sheet(sheet(1)).size


def test_a_long_name_loses_its_middle() -> None:
    name = "holiday-in-the-mountains-with-everybody-2024-07-31.jpg"
    font = font_for(name, TEXT_PX)
    line = shortened(name, font, 150)
    head, tail = line.split("…")
    assert name.startswith(head)
    assert name.endswith(tail)
    assert font.getlength(line) <= 150
    assert shortened("cat.jpg", font, 150) == "cat.jpg"

"""Draws a contact sheet: the query and its matches, with ranks and scores."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageOps

from soutu.cli.lettering import DARK, GREY, HEADING_PX, SMALL_PX, TEXT_PX, Lettering

TILE_PX = 200
GAP_PX = 20
MARGIN_PX = 32
HEADER_PX = 84
CAPTION_PX = 48
COLUMNS = 5
_PAPER = "#ffffff"
_EMPTY = "#f1f1ef"
_RULE = "#d9d9d6"
_ACCENT = "#c2410c"


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture of a sheet. `picture` is an image file, or empty where there is none to show.

    `mark` stands out in front of the caption, such as a rank or a sign; `region` is framed.
    """

    picture: bytes
    caption: str
    mark: str = ""
    detail: str = ""
    region: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a sheet shows: queries on the left, matches in a grid beside them."""

    title: str
    subtitle: str
    queries: Sequence[Tile]
    matches: Sequence[Tile]


def draw_sheet(sheet: Sheet) -> Image.Image:
    """The sheet as an RGB picture, as tall as its longer side needs."""
    rows = max(len(sheet.queries), -(-len(sheet.matches) // COLUMNS), 1)
    columns = min(max(len(sheet.matches), 3), COLUMNS)
    rule_x = MARGIN_PX + TILE_PX + GAP_PX
    grid_x = rule_x + GAP_PX
    width = grid_x + columns * (TILE_PX + GAP_PX) - GAP_PX + MARGIN_PX
    height = MARGIN_PX + HEADER_PX + rows * (TILE_PX + CAPTION_PX + GAP_PX) - GAP_PX + MARGIN_PX
    page = Image.new("RGB", (width, height), _PAPER)
    _draw_header(page, sheet)
    ImageDraw.Draw(page).line((rule_x, MARGIN_PX + HEADER_PX, rule_x, height - MARGIN_PX), fill=_RULE)
    for row, tile in enumerate(sheet.queries):
        _draw_tile(page, tile, *_place(MARGIN_PX, row, 0))
    for index, tile in enumerate(sheet.matches):
        _draw_tile(page, tile, *_place(grid_x, *divmod(index, COLUMNS)))
    if not sheet.matches:
        Lettering(page).write((grid_x, MARGIN_PX + HEADER_PX), "No matches", TEXT_PX, GREY, TILE_PX)
    return page


def _place(left: int, row: int, column: int) -> tuple[int, int]:
    top = MARGIN_PX + HEADER_PX + row * (TILE_PX + CAPTION_PX + GAP_PX)
    return left + column * (TILE_PX + GAP_PX), top


def _draw_header(page: Image.Image, sheet: Sheet) -> None:
    lettering, width = Lettering(page), page.width - 2 * MARGIN_PX
    lettering.write((MARGIN_PX, MARGIN_PX - 6), sheet.title, HEADING_PX, DARK, width)
    lettering.write((MARGIN_PX, MARGIN_PX + 30), sheet.subtitle, SMALL_PX, GREY, width)


def _draw_tile(page: Image.Image, tile: Tile, left: int, top: int) -> None:
    thumbnail = _thumbnail(tile)
    if thumbnail is None:
        ImageDraw.Draw(page).rectangle((left, top, left + TILE_PX - 1, top + TILE_PX - 1), fill=_EMPTY)
    else:
        # Pictures stand on the line above their captions, so that rows read as rows.
        page.paste(thumbnail, (left, top + TILE_PX - thumbnail.height))
    lettering, line = Lettering(page), top + TILE_PX + 8
    used = lettering.write((left, line), tile.mark, TEXT_PX, _ACCENT, TILE_PX) + 8 if tile.mark else 0
    lettering.write((left + used, line), tile.caption, TEXT_PX, DARK, TILE_PX - used)
    lettering.write((left, line + 20), tile.detail, SMALL_PX, GREY, TILE_PX)


def _thumbnail(tile: Tile) -> Image.Image | None:
    """The picture upright within the tile's square, its region framed; None if Pillow cannot read it."""
    try:
        with Image.open(io.BytesIO(tile.picture)) as image:
            image.draft("RGB", (2 * TILE_PX, 2 * TILE_PX))
            upright = ImageOps.exif_transpose(image).convert("RGBA")
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    fitted = ImageOps.contain(upright, (TILE_PX, TILE_PX), Image.Resampling.LANCZOS)
    flat = Image.new("RGB", fitted.size, _PAPER)
    flat.paste(fitted, mask=fitted.getchannel("A"))
    if tile.region:
        _frame(flat, tile.region)
    return flat


def _frame(picture: Image.Image, region: tuple[float, float, float, float]) -> None:
    left, top, right, bottom = region
    width, height = picture.width - 1, picture.height - 1
    box = (left * width, top * height, right * width, bottom * height)
    draw = ImageDraw.Draw(picture)
    draw.rectangle(box, outline=_PAPER, width=4)
    draw.rectangle(box, outline=_ACCENT, width=2)

"""Writes lines of text on a picture, within a width, in whatever script they are."""

from functools import cache

from PIL import Image, ImageDraw, ImageFont

from soutu.cli.visible import visible

HEADING_PX, TEXT_PX, SMALL_PX = 24, 15, 13
DARK, GREY = "#1c1917", "#78716c"

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
# Pillow's own font has Latin letters only; these have more, where a system has them.
_WIDE_FONTS = ("NotoSansCJK-Regular.ttc", "PingFang.ttc", "msyh.ttc", "DejaVuSans.ttf", "Arial Unicode.ttf")


class Lettering:
    """Writes on one picture."""

    def __init__(self, page: Image.Image) -> None:
        self._draw = ImageDraw.Draw(page)

    def write(self, place: tuple[int, int], text: str, size_px: int, colour: str, width_px: int) -> int:
        """Writes one line with its top left corner at `place`, shortened to the width; returns its width."""
        line = visible(" ".join(text.split()))
        font = font_for(line, size_px)
        line = shortened(line, font, width_px)
        self._draw.text(place, line, fill=colour, font=font)
        return round(font.getlength(line))


def shortened(text: str, font: Font, width_px: int) -> str:
    """The text, with an ellipsis for its middle where it is too wide: both ends of a name tell most."""
    if font.getlength(text) <= width_px:
        return text
    fits, too_many = 0, len(text)
    while too_many - fits > 1:
        kept = (fits + too_many) // 2
        if font.getlength(_without_middle(text, kept)) <= width_px:
            fits = kept
        else:
            too_many = kept
    return _without_middle(text, fits)


def _without_middle(text: str, kept: int) -> str:
    head = (kept + 1) // 2
    return f"{text[:head].rstrip()}…{text[len(text) - (kept - head) :].lstrip()}"


def font_for(text: str, size_px: int) -> Font:
    """Pillow's font for Latin text; for other scripts the first font of the system that may have them."""
    return _latin(size_px) if all(map(_is_latin, text)) else _wide(size_px)


def _is_latin(character: str) -> bool:
    return character < "\u0250" or character == "…"


@cache
def _latin(size_px: int) -> Font:
    return ImageFont.load_default(size=size_px)


@cache
def _wide(size_px: int) -> Font:
    for name in _WIDE_FONTS:
        try:
            return ImageFont.truetype(name, size_px)
        except OSError:
            continue
    return _latin(size_px)

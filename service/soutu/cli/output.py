"""How commands print: tables for people, JSON for programs."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from soutu.cli.visible import visible, visible_json

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from rich.console import Console
    from rich.table import Table

    from soutu.domain.model import ModelCard

_FOLDED_CELLS = 12  # a column that folds is not made narrower
_GAP_CELLS = 3


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    right: Sequence[str] = (),
    whole: Sequence[str] = ("id",),
    console: "Console | None" = None,
) -> None:
    """A table; the columns named in `right` are aligned to the right.

    On a terminal the columns that are neither in `right` nor in `whole` are folded to fit. Elsewhere, and
    where that is not enough, each row is one line, however long.
    """
    from rich.console import Console

    console = console or Console()
    cells = [[visible(cell) for cell in row] for row in rows]
    unfolded = {*right, *whole}
    if console.is_terminal and _least_width(columns, cells, unfolded) <= console.width:
        console.print(_boxed(columns, cells, right, unfolded))
        return
    for line in plain_lines(columns, cells, right):
        console.out(line, highlight=False)


def plain_lines(
    columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()
) -> Iterator[str]:
    """The columns' names and then the rows, one a line, aligned by spaces."""
    from rich.cells import cell_len

    widths = _widths(columns, rows)
    for row in (columns, *rows):
        padding = [" " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)]
        padded = (
            space + cell if column in right else cell + space
            for column, cell, space in zip(columns, row, padding, strict=True)
        )
        yield "  ".join(padded).rstrip()


def _widths(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    from rich.cells import cell_len

    return [max(map(cell_len, column)) for column in zip(columns, *rows, strict=True)]


def _least_width(columns: Sequence[str], rows: Sequence[Sequence[str]], unfolded: set[str]) -> int:
    widths = zip(columns, _widths(columns, rows), strict=True)
    return sum(
        _GAP_CELLS + (width if column in unfolded else min(width, _FOLDED_CELLS)) for column, width in widths
    )


def _boxed(
    columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str], unfolded: set[str]
) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(
            column,
            justify="right" if column in right else "left",
            overflow="fold",
            no_wrap=column in unfolded,
        )
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def print_message(message: "Message") -> None:
    """A message of the contract as one line of JSON, its fields named as in the contract."""
    from google.protobuf.json_format import MessageToJson

    text = MessageToJson(message, preserving_proto_field_name=True, indent=None, ensure_ascii=False)
    print(visible_json(text))


def say(sentence: str) -> None:
    """Tells a person how it goes; on stderr, so that stdout stays the result."""
    from rich.console import Console

    Console(stderr=True, highlight=False).print(visible(sentence), markup=False, emoji=False, soft_wrap=True)


def count_text(count: int, noun: str) -> str:
    """Such as 1 image, 2 images."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def size_text(size_bytes: int) -> str:
    """Such as 3.4 MB."""
    size, unit = float(size_bytes), "B"
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def told_of(card: "ModelCard") -> str:
    """What a model makes, in a few words: keypoints where it has some, dimensions and its rectangle."""
    keypoints = f"{card.keypoints:,} keypoints of " if card.keypoints else ""
    return f"{keypoints}{card.dimension} dimensions, {card.input.width} × {card.input.height}"

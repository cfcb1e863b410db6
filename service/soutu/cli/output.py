"""How commands print: tables for people, JSON for programs."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from rich.console import Console


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    right: Sequence[str] = (),
    console: "Console | None" = None,
) -> None:
    """A table; the columns named in `right` are aligned to the right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    (console or Console()).print(table)


def print_message(message: "Message") -> None:
    """A message of the contract as one line of JSON, its fields named as in the contract."""
    from google.protobuf.json_format import MessageToJson

    print(MessageToJson(message, preserving_proto_field_name=True, indent=None, ensure_ascii=False))


def say(sentence: str) -> None:
    """Tells a person how it goes; on stderr, so that stdout stays the result."""
    from rich.console import Console

    Console(stderr=True, highlight=False).print(sentence, markup=False, soft_wrap=True)


def size_text(size_bytes: int) -> str:
    """Such as 3.4 MB."""
    size, unit = float(size_bytes), "B"
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"

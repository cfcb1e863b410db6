"""Tables: for a terminal, and for pipes."""

import io

import pytest
from rich.console import Console

from soutu.cli.output import count_text, print_message, print_table, say
from soutu.v1.image_pb2 import Image

ID = "0123456789abcdef" * 2
LONG = "holiday " * 20


def printed(rows: list[tuple[str, ...]], *, terminal: bool, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=width, no_color=True)
    print_table(("id", "picture", "size"), rows, right=("size",), console=console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_a_pipe_gets_a_line_for_each_row() -> None:
    lines = printed([(ID, LONG, "1 B"), ("b", "猫.jpg", "12 B")], terminal=False)
    assert len(lines) == 3
    assert lines[1].startswith(f"{ID}  {LONG}")
    assert lines[2].endswith("12 B")
    assert not set("".join(lines)) & set("─━│")


def test_a_terminal_folds_names_and_never_ids() -> None:
    lines = printed([(ID, LONG, "1 B")], terminal=True)
    assert any(ID in line for line in lines)
    assert len(lines) > 4


def test_a_terminal_too_narrow_for_ids_gets_lines_too() -> None:
    assert ID in printed([(ID, LONG, "1 B")], terminal=True, width=30)[1]


@pytest.mark.parametrize("terminal", [True, False])
def test_names_cannot_act(terminal: bool) -> None:
    lines = printed([("a", "\x1b[31mred\nsecond", "1 B")], terminal=terminal)
    assert any(r"\x1b[31mred\nsecond" in line for line in lines)


def test_what_is_said_cannot_act(capsys: pytest.CaptureFixture[str]) -> None:
    say("\x1b[31m:cat:[red]\n.jpg")
    assert capsys.readouterr().err == "\\x1b[31m:cat:[red]\\n.jpg\n"


def test_json_cannot_act(capsys: pytest.CaptureFixture[str]) -> None:
    print_message(Image(title="\x9b猫"))
    assert capsys.readouterr().out == '{"title": "\\u009b猫"}\n'


def test_one_is_not_many() -> None:
    assert [count_text(count, "image") for count in (0, 1, 2000)] == ["0 images", "1 image", "2,000 images"]

"""What acts on terminals instead of being seen is written out."""

import json

import pytest

from soutu.cli.visible import visible, visible_json


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("猫 é – 🐱.jpg", "猫 é – 🐱.jpg"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("two\nlines\tand", r"two\nlines\tand"),
        ("\x7f\x9b", r"\x7f\x9b"),
        ("a\u202egpj.exe\u2066", r"a\u202egpj.exe\u2066"),
        ("\ud800", r"\ud800"),
    ],
)
def test_a_text_is_made_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_json_stays_the_same_json() -> None:
    text = json.dumps({"path": "\x1b\x7f\x9b\u202e.jpg"}, ensure_ascii=False)
    assert json.loads(visible_json(text)) == json.loads(text)
    assert visible_json(text).isascii()

"""docs/configuration.md and the settings agree."""

import re

from soutu.settings import known_keys
from tests.project.reference import reference
from tests.project.source import ROOT


def test_the_page_is_what_the_code_says() -> None:
    page = reference().configuration_page()
    assert (ROOT / "docs" / "configuration.md").read_text("utf-8") == page, "run `make docs`"
    assert re.findall(r"^\| `([a-z_.]+)`", page, re.MULTILINE) == list(known_keys())


def test_every_key_has_one_sentence() -> None:
    unclear = [
        key.name
        for key in known_keys().values()
        if not re.fullmatch(r"[A-Z][^.]*\.?[^.]*\.", key.description)
    ]
    assert unclear == []


def test_defaults_are_shown_as_one_would_write_them() -> None:
    assert reference().shown_default("server.message_bytes", 3 * 1024**2) == "3145728 (3 MiB)"
    assert reference().shown_default("build_roots", ()) == "none"

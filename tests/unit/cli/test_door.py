"""What a command shows of itself."""

from pathlib import Path

import pytest

from soutu.cli.door import client_for
from soutu.cli.failures import CommandError
from soutu.settings import ClientSettings


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("key:  secret\nline: somebody = ...", "holds no key, or more than the key"),
        ("two words", "holds no key, or more than the key"),
        ("schlüssel", "holds no key, or more than the key"),
        ("\n", "is empty"),
    ],
)
def test_a_file_that_holds_more_than_the_key_is_named(tmp_path: Path, content: str, fault: str) -> None:
    file = tmp_path / "mine.key"
    file.write_text(content)
    with pytest.raises(CommandError) as refused:
        client_for("127.0.0.1:1", ClientSettings(key_file=file))
    assert f"{file} {fault}: `soutu keys new` prints one" in str(refused.value)
    assert content.strip() not in str(refused.value) or not content.strip()


def test_a_key_of_the_settings_is_looked_at_too() -> None:
    with pytest.raises(CommandError, match=r"client\.key holds no key"):
        client_for("127.0.0.1:1", ClientSettings(key="two words"))


def test_a_key_with_a_line_end_behind_it_is_one(tmp_path: Path) -> None:
    file = tmp_path / "mine.key"
    file.write_text("soutu_secret-1\n")
    client_for("127.0.0.1:1", ClientSettings(key_file=file)).close()
    assert file.read_text().endswith("\n")

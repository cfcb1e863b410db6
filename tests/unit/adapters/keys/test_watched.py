"""Keys of a file that changes; tests/flows/test_access.py does the same to a server."""

from pathlib import Path

import pytest

from soutu.adapters.keys import WatchedKeys
from soutu.domain.access import KeysError, Scope, new_key


def test_keys_of_the_settings_and_of_the_file_are_in_force_together(tmp_path: Path) -> None:
    (first, one), (second, two) = new_key("one", Scope.READ), new_key("two", Scope.WRITE)
    file = tmp_path / "keys.toml"
    file.write_text(one.line())
    keys = WatchedKeys(file, two.line())
    assert (keys.ring.find(first), keys.ring.find(second)) == (one, two)


def test_a_label_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(new_key("one", Scope.READ)[1].line())
    with pytest.raises(KeysError, match=r"both have a key one\."):
        WatchedKeys(file, new_key("one", Scope.READ)[1].line())


def test_a_file_that_cannot_be_read_at_the_start_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match=r"keys\.toml cannot be read: No such file"):
        WatchedKeys(tmp_path / "keys.toml")
    (tmp_path / "latin.toml").write_bytes(b"# \xe9")
    with pytest.raises(KeysError, match=r"latin\.toml is not a text in UTF-8"):
        WatchedKeys(tmp_path / "latin.toml")


def test_a_broken_text_of_the_settings_is_named() -> None:
    with pytest.raises(KeysError, match=r"access\.keys is not valid TOML"):
        WatchedKeys(None, "= x")


async def test_a_file_that_changes_is_read_anew_and_a_broken_one_is_not(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    (first, one), (second, two) = new_key("one", Scope.READ), new_key("two", Scope.READ)
    file.write_text(one.line())
    keys = WatchedKeys(file)
    file.write_text(f"{one.line()}\n{two.line()}")
    keys._look()
    assert (keys.ring.find(first), keys.ring.find(second)) == (one, two)
    for broken in ("", "= x"):
        file.write_text(broken)
        keys._look()
        assert keys.ring.find(first) == one
    file.write_text(two.line())
    keys._look()
    assert (keys.ring.find(first), keys.ring.find(second)) == (None, two)
    await keys.close()

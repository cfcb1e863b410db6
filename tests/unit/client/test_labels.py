"""Label sets from files, and those that ship."""

from pathlib import Path

import pytest

from soutu.client import label_set
from soutu.client.labels import shipped_label_sets


def test_the_sets_that_ship_are_whole() -> None:
    assert shipped_label_sets() == ["photographs"]
    photographs = label_set("photographs")
    assert photographs.name == "photographs"
    assert len({each.label for each in photographs.labels}) == 10
    assert all(each.prompts for each in photographs.labels)


def test_a_file_is_a_set_named_after_it(tmp_path: Path) -> None:
    path = tmp_path / "pets.toml"
    path.write_text('[cat]\nprompts = ["a cat", "一只猫"]\n["big dog"]\n', encoding="utf-8")

    pets = label_set(path)

    assert pets.name == "pets"
    assert [(each.label, list(each.prompts)) for each in pets.labels] == [
        ("cat", ["a cat", "一只猫"]),
        ("big dog", []),
    ]
    assert label_set(str(path), "animals").name == "animals"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("cat = 3", "'cat'"),
        ("[cat]\nprompt = ['a']", "'cat'"),
        ("[cat]\nprompts = 'a'", "'cat'"),
        ("[cat]\nprompts = [3]", "'cat'"),
        ("[cat", "TOML"),
    ],
)
def test_another_file_is_refused_by_its_label(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "pets.toml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(ValueError, match=named):
        label_set(path)


def test_a_set_that_is_not_there_is_said() -> None:
    with pytest.raises(OSError, match="nothing"):
        label_set("nothing")

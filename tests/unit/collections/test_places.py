"""Where backups and exports may be."""

from pathlib import Path

import pytest

from soutu.collections.places import allowed_place, existing_place
from soutu.domain.errors import Reason, SoutuError


def refusal(text: str, roots: list[Path]) -> Reason:
    with pytest.raises(SoutuError) as failure:
        existing_place(text, roots)
    return failure.value.reason


def test_a_place_lies_below_a_root_whatever_links_say(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "here").mkdir(parents=True)
    (root / "out").symlink_to(tmp_path)
    assert existing_place(str(root / "here"), [root]) == root / "here"
    assert allowed_place(str(root / "new" / "deep"), [root]) == root / "new" / "deep"
    assert refusal(str(root / "new"), [root]) is Reason.SOURCE_NOT_FOUND
    assert refusal(str(root / "out" / "x"), [root]) is Reason.SOURCE_NOT_ALLOWED
    assert refusal(str(root / ".." / "x"), [root]) is Reason.SOURCE_NOT_ALLOWED
    assert refusal(str(root), []) is Reason.SOURCE_NOT_ALLOWED
    for text in ("", "relative", "/a\0b"):
        assert refusal(text, [root]) is Reason.FIELD_INVALID


def test_a_path_that_no_file_system_takes_is_refused(tmp_path: Path) -> None:
    for below in ("n" * 300, "山" * 100, "d/" * 3_000):
        assert refusal(f"{tmp_path}/{below}", [tmp_path]) is Reason.FIELD_INVALID

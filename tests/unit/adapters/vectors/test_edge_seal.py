from pathlib import Path

import pytest

from soutu.adapters.vectors.edge_seal import break_seal, sealed_note, write_seal


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "shard"
    (folder / "segments").mkdir(parents=True)
    (folder / "segments" / "vectors").write_bytes(b"v" * 1_000_000)
    with (folder / "sparse").open("wb") as file:
        file.truncate(3_000_000)
        file.seek(2_000_000)
        file.write(b"payload")
    return folder


def sealed(folder: Path) -> Path:
    seal = folder.parent / "seal.json"
    write_seal(seal, folder, note=3)
    return seal


def test_a_seal_holds_while_nothing_changes(folder: Path) -> None:
    assert sealed_note(sealed(folder), folder) == 3


def test_zeros_count_the_same_stored_or_not(folder: Path) -> None:
    seal = sealed(folder)
    (folder / "sparse").write_bytes((folder / "sparse").read_bytes())
    assert sealed_note(seal, folder) == 3


@pytest.mark.parametrize("offset", [0, 1_999_999, 2_000_003, 2_999_999])
def test_one_changed_byte_breaks_it(folder: Path, offset: int) -> None:
    seal = sealed(folder)
    with (folder / "sparse").open("r+b") as file:
        file.seek(offset)
        file.write(b"!")
    assert sealed_note(seal, folder) is None


def test_a_missing_a_new_and_a_shorter_file_break_it(folder: Path) -> None:
    seal = sealed(folder)
    (folder / "new").write_bytes(b"")
    assert sealed_note(seal, folder) is None
    (folder / "new").unlink()
    with (folder / "sparse").open("r+b") as file:
        file.truncate(2_900_000)
    assert sealed_note(seal, folder) is None
    (folder / "sparse").unlink()
    assert sealed_note(seal, folder) is None


def test_a_garbled_seal_does_not_hold(folder: Path) -> None:
    seal = sealed(folder)
    seal.write_bytes(b"\xff{")
    assert sealed_note(seal, folder) is None


def test_a_broken_seal_is_gone(folder: Path) -> None:
    seal = sealed(folder)
    break_seal(seal)
    assert not seal.exists()

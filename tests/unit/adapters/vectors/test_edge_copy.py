from pathlib import Path

import pytest

from soutu.adapters.vectors.edge_copy import copy_folder, has_room, sync_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "shard"
    (folder / "segments" / "empty").mkdir(parents=True)
    (folder / "segments" / "vectors").write_bytes(b"v" * 1_000_000)
    with (folder / "sparse").open("wb") as file:
        file.truncate(50_000_000)
        file.seek(20_000_000)
        file.write(b"payload")
    return folder


def test_a_copy_has_the_same_files_and_sparse_ones_stay_sparse(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy_folder(folder, copy)
    sync_files(copy)
    assert (copy / "segments" / "empty").is_dir()
    for name in ("segments/vectors", "sparse"):
        assert (copy / name).read_bytes() == (folder / name).read_bytes()
    assert (copy / "sparse").stat().st_blocks <= 2 * max(1024, (folder / "sparse").stat().st_blocks)


def test_there_is_room_for_a_copy_of_what_is_small(folder: Path) -> None:
    assert has_room(folder)

"""Files are read in one state, or not at all."""

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from soutu.domain.errors import Reason, SoutuError
from soutu.ingest.steady import read_steady


def reason_of(path: Path, limit_bytes: int = 1_000) -> Reason:
    with pytest.raises(SoutuError) as failure:
        read_steady(str(path), limit_bytes)
    return failure.value.reason


def test_the_bytes_come_with_their_time(tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    file.write_bytes(b"picture")
    os.utime(file, ns=(1, 123_456_789))
    picture = read_steady(str(file), 7)
    assert (picture.content, picture.path, picture.mtime_ns) == (b"picture", str(file), 123_456_789)


def test_what_is_no_file_is_gone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "link.jpg").symlink_to("/etc/hostname")
    for name in ("missing.jpg", "pipe.jpg", "link.jpg", "."):
        assert reason_of(tmp_path / name) is Reason.ORIGINAL_GONE
    assert reason_of(tmp_path / ("x" * 300)) is Reason.ORIGINAL_GONE


def test_a_link_on_the_way_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.jpg").write_bytes(b"secret")
    (tmp_path / "within").mkdir()
    (tmp_path / "within" / "a.jpg").write_bytes(b"mine")
    assert read_steady(str(tmp_path / "within" / "a.jpg"), 9).content == b"mine"
    (tmp_path / "within").rename(tmp_path / "away")
    (tmp_path / "within").symlink_to(tmp_path / "outside")
    assert reason_of(tmp_path / "within" / "a.jpg") is Reason.ORIGINAL_GONE


def test_a_directory_that_may_only_be_passed_through_is(tmp_path: Path) -> None:
    way = tmp_path / "way"
    (way / "on").mkdir(parents=True)
    (way / "on" / "a.jpg").write_bytes(b"picture")
    way.chmod(0o300)
    try:
        assert read_steady(str(way / "on" / "a.jpg"), 9).content == b"picture"
    finally:
        way.chmod(0o700)


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"picture")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in ("a.jpg", "missing.jpg", "missing/a.jpg", "a.jpg/a.jpg"):
        for _ in range(20):
            with suppress(SoutuError):
                read_steady(str(tmp_path / name), 9)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "large.jpg").open("wb") as file:
        file.truncate(10**12)  # a hole
    assert reason_of(tmp_path / "large.jpg") is Reason.IMAGE_TOO_LARGE


class Writer:
    """Goes on writing to a file until told to stop."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> "Writer":
        self._thread.start()
        time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _write(self) -> None:
        with self._file.open("wb", buffering=0) as file:
            while not self._stop.is_set():
                file.write(b"x" * 50_000)
                if file.tell() > 20_000_000:
                    file.seek(0)


def test_a_file_that_is_being_written_is_not_read_by_halves(tmp_path: Path) -> None:
    with Writer(tmp_path / "a.jpg"):
        assert reason_of(tmp_path / "a.jpg", 10**9) is Reason.ORIGINAL_CHANGED


def test_a_writer_that_ends_soon_is_waited_for(tmp_path: Path) -> None:
    with Writer(tmp_path / "a.jpg") as writer:
        threading.Timer(0.2, writer.stop).start()
        picture = read_steady(str(tmp_path / "a.jpg"), 10**9)
    assert len(picture.content) == (tmp_path / "a.jpg").stat().st_size

"""Archives from strangers: what is read from them, and what is not."""

import gzip
import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from soutu.domain.errors import Reason, SoutuError
from soutu.ingest.archive import TarSource
from soutu.ingest.sources import Item
from soutu.ingest.specs import TarSpec
from soutu.ingest.unpacking import UnpackLimits

LIMIT = 10_000_000


def member(name: str, content: bytes = b"picture", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.mtime = len(content), 1_000
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def archive(path: Path, *members: tuple[tarfile.TarInfo, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for info, content in members:
            tar.addfile(info, io.BytesIO(content) if info.isreg() else None)
    return path


_opened: list[TarSource] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    while _opened:
        _opened.pop().close()


def source(path: Path, **limits: int) -> TarSource:
    _opened.append(TarSource(TarSpec(path), UnpackLimits(**limits)))
    return _opened[-1]


def offered(path: Path) -> list[Item]:
    return [item for item in source(path).listing().items if not item.failure]


def failures(path: Path) -> dict[str, str]:
    items = source(path).listing().items
    return {item.failure.subject: item.failure.reason for item in items if item.failure}


def reason_of(call: Callable[[], object]) -> Reason:
    with pytest.raises(SoutuError) as failure:
        call()
    return failure.value.reason


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_members_come_in_the_order_of_the_archive(tmp_path: Path, mode: str) -> None:
    names = ["z.jpg", "below/a.jpg", "./m.png"]
    path = archive(tmp_path / "a.tar", *(member(name, name.encode()) for name in names), mode=mode)
    tar = source(path)
    items = tar.listing().items
    assert [item.path for item in items] == ["z.jpg", "below/a.jpg", "m.png"]
    assert [tar.read(item, LIMIT).content for item in items] == [name.encode() for name in names]
    assert tar.read(items[0], LIMIT).content == b"z.jpg"  # going back costs time, no more
    assert {item.mtime_ns for item in items} == {1_000_000_000_000}


def test_what_leads_out_or_is_no_file_is_refused(tmp_path: Path) -> None:
    bad = [
        member("../out.jpg"),
        member("/etc/abs.jpg"),
        member("a/../../out.jpg"),
        member("link.jpg", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("hard.jpg", b"", type=tarfile.LNKTYPE, linkname="good.jpg"),
        member("device.jpg", b"", type=tarfile.CHRTYPE),
        member("pipe.jpg", b"", type=tarfile.FIFOTYPE),
    ]
    path = archive(tmp_path / "a.tar", member("good.jpg"), *bad)
    assert failures(path) == {info.name: "SOURCE_NOT_ALLOWED" for info, _ in bad}
    assert [item.path for item in offered(path)] == ["good.jpg"]


def test_directories_hidden_files_and_others_are_left_out(tmp_path: Path) -> None:
    names = ["dir/._a.jpg", ".b.jpg", "notes.txt"]
    path = archive(
        tmp_path / "a.tar", member("dir.jpg", b"", type=tarfile.DIRTYPE), *map(member, names), member("c.gif")
    )
    assert [item.path for item in source(path).listing().items] == ["c.gif"]


def test_of_members_with_the_same_path_the_last_counts(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar", member("a.jpg", b"old"), member("b.jpg"), member("./a.jpg", b"new!"))
    tar = source(path)
    items = tar.listing().items
    assert [item.place for item in items] == [(2, "b.jpg"), (3, "a.jpg")]
    assert tar.read(items[1], LIMIT).content == b"new!"


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = archive(tmp_path / "bomb.tar.gz", member("a.jpg", bytes(30_000_000)), mode="w:gz")
    assert reason_of(source(path, floor_bytes=1_000_000).listing) is Reason.SOURCE_TOO_LARGE
    assert reason_of(source(path, total_bytes=1_000_000).listing) is Reason.SOURCE_TOO_LARGE


def test_a_lying_size_is_not_followed(tmp_path: Path) -> None:
    info = tarfile.TarInfo("a.jpg")
    info.size = 10**15
    path = tmp_path / "lies.tar.gz"
    path.write_bytes(gzip.compress(info.tobuf() + bytes(1024)))
    assert reason_of(source(path).listing) is Reason.SOURCE_TOO_LARGE


def test_a_giant_header_is_not_read(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar", member("x" * 3_000_000 + ".jpg"))
    assert reason_of(source(path).listing) is Reason.SOURCE_TOO_LARGE


def test_too_many_members_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar", *(member(f"{number}.txt") for number in range(11)))
    assert reason_of(source(path, members=10).listing) is Reason.SOURCE_TOO_LARGE


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8bno gzip", b"BZh9nothing", bytes(10_240)])
def test_what_is_no_archive_is_refused_or_empty(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(content)
    if content.strip(b"\0") or not content:
        assert reason_of(source(path).listing) is Reason.SOURCE_NOT_FOUND
    else:
        assert source(path).listing().items == []


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_damaged_archive_gives_what_comes_before(tmp_path: Path, mode: str) -> None:
    noise = bytes(range(256)) * 400
    members = [member(f"{number}.jpg", noise) for number in range(5)]
    path = archive(tmp_path / "a.tar", *members, mode=mode)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert 0 < len(offered(path)) < 5
    assert failures(path) == {"(the rest)": "IMAGE_UNREADABLE"}
    tar = source(path)
    outcomes = []
    for item in [item for item in tar.listing().items if not item.failure]:
        try:
            outcomes.append(tar.read(item, LIMIT).content == noise)
        except SoutuError as error:
            outcomes.append(error.reason is Reason.IMAGE_UNREADABLE)
    assert all(outcomes)


def test_a_large_member_is_refused_unread(tmp_path: Path) -> None:
    tar = source(archive(tmp_path / "a.tar", member("a.jpg", b"12345")))
    (item,) = tar.listing().items
    assert reason_of(lambda: tar.read(item, 4)) is Reason.IMAGE_TOO_LARGE


def test_an_archive_that_changes_is_not_mixed_up(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar", member("a.jpg", b"old"))
    tar = source(path)
    (item,) = tar.listing().items
    archive(path, member("b.jpg", b"another" * 4_000))
    assert reason_of(lambda: tar.read(item, LIMIT)) is Reason.ORIGINAL_CHANGED
    path.unlink()
    assert reason_of(lambda: tar.read(item, LIMIT)) is Reason.SOURCE_NOT_FOUND


@pytest.mark.parametrize("mtime", ["nan", "1e300", "-5"])
def test_impossible_times_do_no_harm(tmp_path: Path, mtime: str) -> None:
    path = archive(tmp_path / "a.tar", member("a.jpg", pax_headers={"mtime": mtime}))
    assert len(offered(path)) == 1

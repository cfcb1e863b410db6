"""Archives that mean harm, built from by a real server."""

import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.flows.pictures import jpeg
from tests.flows.refusals import refused
from tests.flows.served import Served

PICTURE = jpeg(600, 64, 48)


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Served]:
    """A server that unpacks little."""
    (tmp_path / "pictures").mkdir()
    settings = {
        "SOUTU_ARCHIVE_MEMBERS": "20",
        "SOUTU_ARCHIVE_RATIO": "5",
        "SOUTU_ARCHIVE_SMALL_BYTES": "300000",
        "SOUTU_ARCHIVE_HEADER_BYTES": "4096",
    }
    with Served(tmp_path / "server", [tmp_path / "pictures"], settings) as served:
        served.client.collections.create("c")
        yield served


def archive(file: Path, fill: Callable[[tarfile.TarFile], None], mode: str = "w:gz") -> Path:
    with tarfile.open(file, mode) as made:  # type: ignore[call-overload]
        fill(made)
    return file


def add(made: tarfile.TarFile, name: str, content: bytes = PICTURE, kind: bytes = tarfile.REGTYPE) -> None:
    member = tarfile.TarInfo(name)
    member.type = kind
    member.size = len(content) if kind == tarfile.REGTYPE else 0
    member.linkname = "/etc/passwd" if kind != tarfile.REGTYPE else ""
    made.addfile(member, io.BytesIO(content) if member.size else None)


def test_members_stay_within_and_are_files(strict: Served, tmp_path: Path) -> None:
    def fill(made: tarfile.TarFile) -> None:
        add(made, "good.jpg")
        for name in ("../up.jpg", "/etc/root.jpg", "a/../../up.jpg"):
            add(made, name)
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE):
            add(made, f"kind-{kind.decode()}.jpg", kind=kind)

    before = set(tmp_path.rglob("*.jpg"))
    operation = strict.client.collections.build("c", archive(tmp_path / "pictures" / "odd.tar.gz", fill))
    assert (operation.wait().added, operation.wait().failed) == (1, 8)
    reasons = {failure.reason for failure in strict.client.operations.failures(operation.name)}
    assert reasons == {"SOURCE_NOT_ALLOWED"}
    assert {image.origin.path for image in strict.client.images.list("c")} == {"good.jpg"}
    assert set(tmp_path.rglob("*.jpg")) == before  # nothing is unpacked to a disk


def many(made: tarfile.TarFile) -> None:
    for number in range(21):
        add(made, f"{number}.jpg")


def bomb(made: tarfile.TarFile) -> None:
    add(made, "bomb.jpg", bytes(5_000_000))
    add(made, "good.jpg")


def giant_header(made: tarfile.TarFile) -> None:
    member = tarfile.TarInfo("a.jpg")
    member.pax_headers = {"comment": "x" * 9_000}
    made.addfile(member)


@pytest.mark.parametrize("fill", [many, bomb, giant_header])
def test_an_archive_over_the_limits_of_the_settings_is_refused(
    strict: Served, tmp_path: Path, fill: Callable[[tarfile.TarFile], None]
) -> None:
    file = archive(tmp_path / "pictures" / "large.tar.gz", fill)
    with refused("SOURCE_TOO_LARGE"):
        strict.client.collections.build("c", file).wait()

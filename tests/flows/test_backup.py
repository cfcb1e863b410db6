"""Backups made while the server goes on, and taken back.

A database server makes its own copies, so the services here keep their catalogue themselves; test_mariadb.py
has the refusal.
"""

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from soutu.v1.admin_service_pb2 import RestoreRequest
from tests.flows import pictures
from tests.flows.admin import downloaded, filled, scores
from tests.flows.cli import soutu
from tests.flows.refusals import refusal_of, refused
from tests.flows.served import Served, until

pytestmark = pytest.mark.placed


@pytest.mark.slow
def test_a_backup_made_under_load_holds_what_was_acknowledged_before(
    admin_server: Served, archive: Path, tmp_path: Path
) -> None:
    client = admin_server.client
    filled(client, "c", 5)
    acknowledged: list[tuple[datetime, str]] = []
    ended = threading.Event()

    def upload() -> None:
        for number in range(5, 400):
            if ended.is_set():
                return
            client.images.upload("c", pictures.jpeg(number), image_id=f"i{number}")
            acknowledged.append((datetime.now(UTC), f"i{number}"))

    uploading = threading.Thread(target=upload)
    uploading.start()
    until(lambda: len(acknowledged) > 3)
    result = client.admin.backup(archive / "b").wait(60)
    ended.set()
    uploading.join()
    assert result.size_bytes > 0
    moment = result.snapshot_time.ToDatetime(tzinfo=UTC)
    before = {name for when, name in acknowledged if when < moment} | {f"i{number}" for number in range(5)}

    admin_server.stop()
    soutu("--data-dir", str(tmp_path / "other" / "data"), "restore", str(archive / "b"))
    with Served(tmp_path / "other") as other:
        names = {image.name.rsplit("/", 1)[1] for image in other.client.images.list("c")}
        assert before <= names
        assert scores(other.client, "c", 2)[0] == ("i2", 1.0)
        for name in sorted(names):
            assert downloaded(other.client, name, "c")
        admin_server.restart()
        here = [each for each in scores(admin_server.client, "c", 3, 100) if each[0] in names]
        there = scores(other.client, "c", 3, 100)[: len(here)]
        assert [score for _, score in there] == pytest.approx([score for _, score in here], abs=2e-3)
        assert all(operation.done for operation in other.client.operations.list())


@pytest.mark.slow
def test_a_second_backup_copies_only_what_is_new(admin_server: Served, archive: Path) -> None:
    client = admin_server.client
    filled(client, "c", 4)
    client.admin.backup(archive / "b").wait(60)
    contents = archive / "b" / "objects" / "contents"
    first = {file: file.stat().st_mtime_ns for file in contents.rglob("*") if file.is_file()}
    assert len(first) == 4
    client.images.upload("c", pictures.jpeg(9), image_id="new")
    client.images.delete("i0", collection="c")
    client.admin.backup(archive / "b").wait(60)
    second = {file: file.stat().st_mtime_ns for file in contents.rglob("*") if file.is_file()}
    assert len(second) == 4
    assert len(first.items() & second.items()) == 3
    assert len(list((archive / "b").glob("catalog-*.db"))) == 1


def test_where_a_backup_may_go(admin_server: Served, archive: Path, tmp_path: Path) -> None:
    client = admin_server.client
    with refused("SOURCE_NOT_ALLOWED"):
        client.admin.backup(tmp_path / "elsewhere")
    (archive / "link").symlink_to(tmp_path)
    with refused("SOURCE_NOT_ALLOWED"):
        client.admin.backup(archive / "link" / "b")
    (archive / "mine").mkdir()
    (archive / "mine" / "letter.txt").write_text("dear")
    with refused("FIELD_INVALID", "path"):
        client.admin.backup(archive / "mine")
    assert [file.name for file in (archive / "mine").iterdir()] == ["letter.txt"]
    for below in ("n" * 300, "d/" * 3_000):
        with refused("FIELD_INVALID", "path"):
            client.admin.backup(archive / below)


@pytest.mark.slow
def test_a_restore_refuses_what_is_not_empty_not_whole_or_no_backup(
    admin_server: Served, archive: Path, tmp_path: Path
) -> None:
    filled(admin_server.client, "c", 3)
    backup, other = archive / "b", tmp_path / "other"
    admin_server.client.admin.backup(backup).wait(60)
    running = soutu("--data-dir", str(admin_server.data_dir), "restore", str(backup), ok=False)
    assert "Another server uses" in running
    admin_server.stop()
    full = soutu("--data-dir", str(admin_server.data_dir), "restore", str(backup), ok=False)
    assert "holds collections" in full
    assert "holds no backup" in soutu("--data-dir", str(other), "restore", str(archive), ok=False)
    content = next(file for file in (backup / "objects" / "contents").rglob("*") if file.is_file())
    whole = content.read_bytes()
    content.write_bytes(whole[:-1] + b"x")
    assert "other bytes" in soutu("--data-dir", str(other), "restore", str(backup), ok=False)
    assert not (other / "catalog.db").exists()
    content.write_bytes(whole)
    (backup / "manifest.json").rename(backup / "kept")
    assert "never finished" in soutu("--data-dir", str(other), "restore", str(backup), ok=False)
    (backup / "kept").rename(backup / "manifest.json")
    assert "1 collections with 3 images" in soutu("--data-dir", str(other), "restore", str(backup))


def test_the_call_for_a_restore_names_the_command(admin_server: Served) -> None:

    refusal = refusal_of(lambda: admin_server.stubs.admin.Restore(RestoreRequest(path="/tmp/b")))
    assert (refusal.status, refusal.reason) == ("UNIMPLEMENTED", "FEATURE_UNIMPLEMENTED")
    assert "soutu restore DIR" in refusal.message

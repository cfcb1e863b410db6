"""`soutu doctor`: a line for each part, and what to do about those that do not work."""

from pathlib import Path

from tests.flows.cli import soutu
from tests.flows.served import Served

PARTS = ("catalog", "index", "inference", "objects", "cache", "decoders")
REMOTE = {"inference": "inference.url", "cache": "cache.url", "objects": "objects.url"}


def test_directories_that_are_not_there_are_warned_of_and_stop_nothing(tmp_path: Path) -> None:
    settings = {"SOUTU_BACKUP_ROOTS": str(tmp_path / "backups")}
    with Served(tmp_path / "server", [tmp_path, tmp_path / "unmounted"], settings) as server:
        log = server.log()
        variables = settings | {"SOUTU_BUILD_ROOTS": str(tmp_path / "unmounted")}
        told = soutu("--data-dir", str(server.data_dir), "doctor", ok=False, variables=variables)
    assert log.count("this directory is not there") == 2
    for key, name in (("build_roots", "unmounted"), ("backup_roots", "backups")):
        assert f'"setting": "{key}", "path": "{tmp_path / name}"' in log
        assert f"BAD  {key}: {tmp_path / name} is not there" in told
        assert f"take it out of {key}" in told
    assert "ok   server: running at" in told


def test_each_part_has_a_line_of_its_own(server: Served) -> None:
    told = soutu("--data-dir", str(server.data_dir), "doctor")
    parts = [line.split(":")[0] for line in told.splitlines()]
    first = parts.index("ok   catalog")
    assert parts[first : first + len(PARTS)] == [f"ok   {part}" for part in PARTS]
    assert "ok   model gradient-color@1" in parts[first + len(PARTS) :]


def test_remote_parts_that_are_away_are_told_by_their_settings(tmp_path: Path) -> None:
    away = {
        "SOUTU_CACHE_URL": "redis://127.0.0.1:1/0",
        "SOUTU_INFERENCE_URL": "127.0.0.1:1",
        "SOUTU_OBJECTS_URL": "s3://bucket",
        "SOUTU_OBJECTS_ENDPOINT": "http://127.0.0.1:1",
        "SOUTU_OBJECTS_ACCESS_KEY": "key",
        "SOUTU_OBJECTS_SECRET_KEY": "secret",
    }
    with Served(tmp_path / "server", settings=away) as server:
        told = soutu("--data-dir", str(server.data_dir), "doctor", ok=False)
    assert "ok   server: running at" in told
    for part, setting in REMOTE.items():
        assert f"BAD  {part}: The " in told
        assert f"of {setting}" in told
        assert f"Is what the setting {setting} names running" in told
    assert "model gradient-color" not in told, "what needs a part that has failed is left out"

"""`soutu doctor`: a line for each part, and what to do about those that do not work."""

from pathlib import Path

from tests.flows.cli import soutu
from tests.flows.served import Served


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

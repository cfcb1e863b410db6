"""`soutu health`, as probes of containers run it."""

import os
import signal
from pathlib import Path

import pytest

from scripts.stack.places import free_port
from tests.flows.cli import soutu
from tests.flows.served import Served


@pytest.fixture
def served(tmp_path: Path) -> Served:
    return Served(tmp_path)


def test_a_server_that_serves_is_healthy_and_one_that_is_gone_is_not(served: Served) -> None:
    with served:
        assert soutu("--data-dir", str(served.data_dir), "health").strip() == "SERVING"
        assert soutu("--address", served.address, "health").strip() == "SERVING"
    told = soutu("--data-dir", str(served.data_dir), "health", ok=False)
    assert "Is it running?" in told


def test_it_is_found_by_its_port_where_the_data_directory_says_nothing(
    tmp_path: Path, served: Served
) -> None:
    with served:
        port = served.address.rpartition(":")[2]
        elsewhere = ("--data-dir", str(tmp_path / "empty"), "health")
        assert soutu(*elsewhere, variables={"SOUTU_SERVER_PORT": port}).strip() == "SERVING"
    assert not (tmp_path / "empty").exists(), "no server was started"


def test_no_server_is_said_by_the_exit_code_and_none_is_started(tmp_path: Path) -> None:
    data_dir, variables = tmp_path / "data", {"SOUTU_SERVER_PORT": str(free_port())}
    assert "Is it running?" in soutu("--data-dir", str(data_dir), "health", ok=False, variables=variables)
    assert not data_dir.exists()


def test_a_server_that_stands_still_is_waited_for_so_long_only(served: Served) -> None:
    with served:
        os.kill(served.process.pid, signal.SIGSTOP)
        try:
            told = soutu("--address", served.address, "health", "--timeout", "0.5", ok=False)
        finally:
            os.kill(served.process.pid, signal.SIGCONT)
    assert "Traceback" not in told

"""Which server is found, and where a private one puts its socket."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1.health import HealthServicer
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server

from soutu.cli.connection import running_server
from soutu.cli.local_server import socket_directory


@contextmanager
def answering() -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(1))
    add_HealthServicer_to_server(HealthServicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"address": "127.0.0.1:1", "pid": 1}'])
def test_no_server_is_found_where_none_answers(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "server.json").write_text(content)
    assert running_server(tmp_path) is None


def test_a_server_that_answers_is_found_whatever_it_says(tmp_path: Path) -> None:
    with answering() as address:
        (tmp_path / "server.json").write_text(json.dumps({"address": address, "pid": 1}))
        assert running_server(tmp_path) == address


def test_the_socket_lies_in_the_data_directory(tmp_path: Path) -> None:
    with socket_directory(tmp_path / "data") as directory:
        assert directory == (tmp_path / "data").resolve()


def test_the_socket_of_a_long_path_lies_elsewhere(tmp_path: Path) -> None:
    with socket_directory(tmp_path / ("long" * 30)) as directory:
        assert len(bytes(directory / "cli.sock")) < 104
        assert directory.is_dir()
    assert not directory.exists()

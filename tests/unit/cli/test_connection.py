"""Which server is found, and where a private one puts its socket."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1.health import HealthServicer
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server

from soutu.adapters.data_directory import DataDirectory
from soutu.cli.connection import connected, running_server
from soutu.cli.invocation import Invocation
from soutu.cli.local_server import socket_directory
from soutu.domain.errors import SoutuError


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
        client = running_server(tmp_path)
        assert client
        with client:
            assert client.address == address


def test_the_socket_lies_in_the_data_directory(tmp_path: Path) -> None:
    with socket_directory(tmp_path / "data") as directory:
        assert directory == (tmp_path / "data").resolve()


def test_the_socket_of_a_long_path_lies_elsewhere(tmp_path: Path) -> None:
    with socket_directory(tmp_path / ("long" * 30)) as directory:
        assert len(bytes(directory / "cli.sock")) < 104
        assert directory.is_dir()
    assert not directory.exists()


def test_a_server_that_is_starting_is_waited_for(tmp_path: Path) -> None:
    with answering() as address:
        starting = DataDirectory.open(tmp_path)
        announcing = threading.Timer(0.5, starting.announce, (address,))
        announcing.start()
        with connected(Invocation(data_dir=tmp_path)) as connection:
            assert (connection.client.address, connection.inside) == (address, False)
        announcing.join()
        starting.close()


def test_a_directory_that_cannot_be_written_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    began = time.monotonic()
    with (
        pytest.raises(SoutuError, match="cannot be written"),
        connected(Invocation(data_dir=tmp_path / "file" / "data")),
    ):
        pass
    assert time.monotonic() - began < 4

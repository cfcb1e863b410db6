"""A real server in a process of its own, which tests may stop, kill and start again."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self, TypeVar

import grpc
from google.longrunning.operations_pb2_grpc import OperationsStub

from soutu.client import Client
from soutu.v1.admin_service_pb2_grpc import AdminServiceStub
from soutu.v1.collection_service_pb2_grpc import CollectionServiceStub
from soutu.v1.image_service_pb2_grpc import ImageServiceStub
from soutu.v1.model_service_pb2_grpc import ModelServiceStub
from soutu.v1.search_pb2_grpc import SearchServiceStub

T = TypeVar("T")
SOURCE_ROOT = Path(__file__).parents[2] / "service"
_PYTHONPATH = os.pathsep.join([str(SOURCE_ROOT), str(SOURCE_ROOT.parent)])
START_S = 60.0
_LOOK_S = 0.02
_MESSAGE_BYTES = 128 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Stubs:
    """The contract without our client around it; no call is made twice."""

    channel: grpc.Channel
    search: SearchServiceStub
    images: ImageServiceStub
    collections: CollectionServiceStub
    models: ModelServiceStub
    admin: AdminServiceStub
    operations: OperationsStub

    @classmethod
    def of(cls, address: str) -> "Stubs":
        """The stubs of a server; messages may be larger than it takes."""
        options = [("grpc.enable_retries", 0), ("grpc.max_send_message_length", _MESSAGE_BYTES)]
        channel = grpc.insecure_channel(address, options)
        return cls(
            channel,
            SearchServiceStub(channel),
            ImageServiceStub(channel),
            CollectionServiceStub(channel),
            ModelServiceStub(channel),
            AdminServiceStub(channel),
            OperationsStub(channel),
        )


class Served:
    """`python -m soutu.cli serve` on a data directory, on a free port. Its log outlives restarts.

    `elsewhere` gives the settings of a service, by its data directory, where the flows run on the stack."""

    module = "soutu.cli"
    elsewhere: ClassVar[Callable[[Path], Mapping[str, str]]] = staticmethod(lambda _: {})

    def __init__(
        self, directory: Path, roots: Sequence[Path] = (), settings: Mapping[str, str] | None = None
    ) -> None:
        self.data_dir = directory / "data"
        self.log_file = directory / "server.log"
        self._variables = {
            "SOUTU_BUILD_ROOTS": os.pathsep.join(map(str, roots)),
            "SOUTU_LOG_FORMAT": "json",
            **type(self).elsewhere(self.data_dir),
            **(settings or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._address = ""
        self._client: Client | None = None
        self._stubs: Stubs | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
        if error is None:
            self.check_log()

    @property
    def settings(self) -> Mapping[str, str]:
        """Those that the server is started with, by environment variable."""
        return self._variables

    @property
    def address(self) -> str:
        return self._address

    @property
    def client(self) -> Client:
        assert self._client, "the server has not been started"
        return self._client

    @property
    def stubs(self) -> Stubs:
        assert self._stubs, "the server has not been started"
        return self._stubs

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process, "the server has not been started"
        return self._process

    def start(self) -> None:
        """Starts the process and returns once it serves."""
        self._disconnect()
        self._process = self.launch()
        self._address = self._announced()
        self._client, self._stubs = Client(self._address), Stubs.of(self._address)

    def launch(self) -> subprocess.Popen[bytes]:
        """Starts a process on the data directory, without looking what becomes of it."""
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", *self.program()]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SOUTU_")}
        environment = {
            **inherited,
            "PYTHONPATH": _PYTHONPATH,
            "PYTHONFAULTHANDLER": "1",
            **self._variables,
        }
        with self.log_file.open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)

    def program(self) -> Sequence[str]:
        """The module that serves the data directory, and its arguments."""
        return self.module, "--data-dir", str(self.data_dir), "serve", "--port", "0"

    def stop(self, timeout_s: float = 20.0) -> int:
        """Asks the server to end (SIGTERM), waits until it has, and returns its exit code."""
        self._disconnect()
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired as late:
            self.process.send_signal(signal.SIGABRT)  # where its threads stand is written into the log then
            self.process.wait()
            late.add_note(self.log())
            raise

    def kill(self) -> None:
        """Ends the server as a power cut does (SIGKILL)."""
        self.process.kill()
        self.process.wait()
        self._disconnect()

    def restart(self) -> None:
        """Starts again on the same data directory."""
        assert self.process.poll() is not None, "the server still runs"
        self.start()

    def end(self) -> None:
        """Leaves no process behind, whatever state the test has left the server in."""
        self._disconnect()
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(15)
        if self._process:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def check_log(self) -> None:
        """AssertionError if the server has ever answered INTERNAL or UNKNOWN, or broken otherwise: whatever a
        test does to a server, that is never right."""
        broken = breakdowns(self.log_file.read_text(errors="replace"))
        assert not broken, "the server broke:\n" + "\n".join(broken)

    def log(self) -> str:
        """What the server has logged lately."""
        return self.log_file.read_text(errors="replace")[-8_000:] if self.log_file.exists() else ""

    def _announced(self) -> str:
        def look() -> str:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.log()}")
            with suppress(OSError, ValueError):
                told = json.loads((self.data_dir / "server.json").read_text())
                return str(told["address"]) if told["pid"] == self.process.pid else ""
            return ""

        return until(look, START_S)

    def _disconnect(self) -> None:
        if self._client:
            self._client.close()
        if self._stubs:
            self._stubs.channel.close()
        self._client = self._stubs = None


class Embedded(Served):
    """A service with all its parts in the process, also where the flows run on the stack."""

    elsewhere: ClassVar[Callable[[Path], Mapping[str, str]]] = staticmethod(lambda _: {})


def breakdowns(log: str) -> list[str]:
    """The lines of a server's log that no client, disk or neighbour may bring about: errors, of ours or of
    libraries, and traces of what nobody caught. gRPC's note on a header that is no Unicode is none, nor is a
    `problem` that is told to whoever wrote a bad file of keys or certificates."""
    lines = [line for line in log.splitlines() if "Invalid encoding on" not in line]
    return [line for line in lines if "Traceback" in line or _is_error(line)]


def _is_error(line: str) -> bool:
    try:
        told = json.loads(line)
        return told["level"] in ("error", "critical") and "problem" not in told
    except (ValueError, KeyError, TypeError):
        return False


def until(look: Callable[[], T], timeout_s: float = 20.0) -> T:
    """What `look` answers as soon as that is something; AssertionError after `timeout_s`."""
    end = time.monotonic() + timeout_s
    while True:
        if seen := look():
            return seen
        assert time.monotonic() < end, f"nothing came within {timeout_s} s"
        time.sleep(_LOOK_S)

"""A real server, started as people start it: a process of its own on a free port, ended by SIGTERM."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import psutil  # type: ignore[import-untyped]

from soutu.v1.search_pb2 import SearchRequest, SearchResponse
from soutu.v1.search_pb2_grpc import SearchServiceStub

STOP_S = 300  # a large index is sealed first
MIB = 2**20


@dataclass(frozen=True, slots=True)
class RunningServer:
    """`started` is time.perf_counter just before exec."""

    address: str
    pid: int
    started: float

    def memory_mib(self) -> float:
        """Of the server and its children: the sum of proportional set sizes."""
        server = psutil.Process(self.pid)
        return sum(memory_mib(each) for each in [server, *server.children(recursive=True)])

    def anonymous_mib(self) -> float:
        """Of the same, what is not mapped from files: what the system cannot take back."""
        server = psutil.Process(self.pid)
        pids = [self.pid, *(child.pid for child in server.children(recursive=True))]
        return sum(_anonymous_kib(pid) for pid in pids) / 1024

    def cpu_s(self) -> float:
        """The time that the server and its living children have computed so far."""
        return computed_s(self.pid)


def computed_s(pid: int) -> float:
    """The time that a process and its living children have computed so far."""
    parent = psutil.Process(pid)
    times = [each.cpu_times() for each in [parent, *parent.children(recursive=True)]]
    return float(sum(each.user + each.system for each in times))


def memory_mib(process: psutil.Process) -> float:
    """A process's proportional set size: what is shared counts by its share."""
    return float(process.memory_full_info().pss) / MIB


def _anonymous_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss_Anon"))


@contextmanager
def serving(data: Path, **settings: str) -> Iterator[RunningServer]:
    """A server on the data directory; `settings` by environment variable, without the prefix SOUTU_."""
    command = [sys.executable, "-m", "soutu.cli", "--data-dir", str(data), "serve", "--port", "0"]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("SOUTU_")}
    variables |= {f"SOUTU_{name}": value for name, value in settings.items()}
    with (data.parent / f"{data.name}.log").open("w") as log:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=variables, text=True)
    try:
        yield RunningServer(announced_address(process, Path(log.name)), process.pid, started)
        process.terminate()
        if status := process.wait(STOP_S):
            raise RuntimeError(f"the server ended with {status}; {log.name} says why")
    finally:
        process.kill()
        process.wait()


def announced_address(process: "subprocess.Popen[str]", log: Path) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"the server did not start; {log} says why")
    return line.split()[-1]


def first_answer(address: str, request: SearchRequest, timeout_s: float = 300.0) -> SearchResponse:
    """The answer to a search, asked until the server is ready for it; grpc.RpcError if it is not in time."""
    deadline = time.monotonic() + timeout_s
    with grpc.insecure_channel(address) as channel:
        search = SearchServiceStub(channel).Search
        while True:
            try:
                return search(request, timeout=timeout_s)
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.UNAVAILABLE or time.monotonic() > deadline:
                    raise
            time.sleep(0.02)

"""Where the stack keeps what it installs and what its servers write, and ports that nobody uses."""

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
STACK = ROOT / "build" / "stack"
SHARED_TOOLS = ROOT.parent / "shared" / "tools"


class StackError(Exception):
    """What keeps a part from running, and what to do about it, in a sentence."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_taken(port: int, patience_s: float) -> bool:
    """Whether something listens on this port of 127.0.0.1, and goes on doing so for a while."""
    deadline = time.monotonic() + patience_s
    while _listens(port):
        if time.monotonic() > deadline:
            return True
        time.sleep(0.2)
    return False


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def kept_port(place: Path) -> int:
    """The port that was taken for a place before, or a free one from now on."""
    written = place / "port.txt"
    if not written.exists():
        written.write_text(str(free_port()))
    return int(written.read_text())


@contextmanager
def _installing() -> Iterator[None]:
    """Alone among the processes that install things here."""
    STACK.mkdir(parents=True, exist_ok=True)
    with (STACK / "installing.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def environment(name: str) -> Path:
    """The virtual environment of requirements/stack-NAME.txt, made where it is missing or out of date.

    Some servers come as wheels that want other versions than ours: each has an environment of its own.
    """
    wanted, place = ROOT / "requirements" / f"stack-{name}.txt", STACK / "environments" / name
    made = place / "made-of.txt"
    with _installing():
        if made.exists() and made.read_bytes() == wanted.read_bytes():
            return place
        print(f"installing {name} ...", flush=True)
        run([sys.executable, "-m", "venv", "--clear", str(place)])
        pip = [
            str(place / "bin" / "python"),
            "-m",
            "pip",
            "--disable-pip-version-check",
            "install",
            "--quiet",
        ]
        run([*pip, "--require-hashes", "-r", str(wanted)])
        made.write_bytes(wanted.read_bytes())
        return place


def debian_program(program: str, package: str) -> str:
    """The path of a program; its Debian package is installed where it is missing and we may."""
    with _installing():
        if found := _found(program):
            return found
        if os.geteuid() or not Path("/usr/bin/apt-get").exists():
            raise StackError(f"{program} is missing; install it, on Debian: apt-get install {package}")
        print(f"installing {package} ...", flush=True)
        run(["apt-get", "update", "-qq"])
        run(["apt-get", "install", "-qq", "--yes", "--no-install-recommends", package])
        if found := _found(program):
            return found
        raise StackError(f"the package {package} has no {program}")


def _found(program: str) -> str | None:
    return shutil.which(program, path=os.pathsep.join([*os.get_exec_path(), "/usr/sbin"]))


def shared_tool(name: str) -> str:
    """A program of ../shared/tools, unpacked."""
    place = STACK / "tools"
    with _installing():
        if not (place / name).exists():
            if not (SHARED_TOOLS / "unpack").exists():
                raise StackError(f"{name} is missing: ../shared/tools, which has it, is not there")
            run([str(SHARED_TOOLS / "unpack"), str(place)])
    return str(place / name)


def run(command: Sequence[str]) -> None:
    """Runs a command to its end; StackError with its last words where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        words = (done.stderr or done.stdout).strip()[-1_000:]
        raise StackError(f"{' '.join(command)} failed: {words}")

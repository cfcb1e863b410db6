"""What runs: started, waited for, written down, found again, ended. A process is known by pid and start."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.stack.parts import PARTS, Started
from scripts.stack.places import STACK, StackError

STATE = STACK / "stack.json"
START_S = 120.0
_STOP_S = 30.0


@dataclass(frozen=True, slots=True)
class Running:
    """A part that was started: its process, which is ours to wait for if we started it, Soutu's settings for
    it, and the signal that it ends by."""

    pid: int
    born: str
    settings: Mapping[str, str]
    ends_by: int = signal.SIGTERM
    child: "subprocess.Popen[bytes] | None" = None

    @property
    def alive(self) -> bool:
        """Whether that very process still runs."""
        return _born(self.pid) == self.born


def known() -> dict[str, Running]:
    """The parts that were started and not ended, by name."""
    if not STATE.exists():
        return {}
    return {name: Running(**fields) for name, fields in json.loads(STATE.read_text()).items()}


def up(name: str) -> Running:
    """The part, started if it does not run, once it answers; StackError as `launched`."""
    running = known().get(name)
    if running is None or not running.alive:
        running = launched(name, STACK / name)
        _write(known() | {name: running})
    return running


def down(name: str) -> None:
    """Ends the part and what it has started, and waits until all of it is gone."""
    parts = known()
    if running := parts.pop(name, None):
        ended(running)
    _write(parts)


def launched(name: str, place: Path, environment: Mapping[str, str] | None = None) -> Running:
    """A part with its data in `place`, once it answers; `environment` is added to its own. StackError with
    the end of its log if it does not answer."""
    place.mkdir(parents=True, exist_ok=True)
    started = PARTS[name](place)
    log = place / "log.txt"
    with log.open("ab") as output:
        process = subprocess.Popen(
            started.command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=place,
            env={**os.environ, **started.environment, **(environment or {})},
            start_new_session=True,  # a group of its own: it is ended with its children
        )
    running = Running(process.pid, _born(process.pid), dict(started.settings), started.ends_by, process)
    try:
        _wait(name, started, process, log)
    except BaseException:
        ended(running)
        raise
    return running


def ended(running: Running) -> None:
    """Ends a part, with its whole group: it is asked first, then made."""
    if _born(running.pid) not in (running.born, ""):
        return  # it is gone, and its number is another process's now
    deadline = time.monotonic() + _STOP_S
    for number in (running.ends_by, signal.SIGKILL):
        if any(_members(running.pid)):
            os.killpg(running.pid, number)
        while any(_members(running.pid)) and time.monotonic() < deadline:
            time.sleep(0.05)
    if running.child:
        running.child.wait()


def settings() -> dict[str, str]:
    """Soutu's settings for everything that runs, by environment variable."""
    merged: dict[str, str] = {}
    for running in known().values():
        if running.alive:
            merged |= running.settings
    return merged


def _wait(name: str, started: Started, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            started.answers()
            return
        except Exception as error:  # each part fails in its own way while it does not answer
            if process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.2)
                continue
            words = log.read_text(errors="replace")[-1_500:].strip()
            raise StackError(f"{name} does not answer ({error}); {log} ends:\n{words}") from error


def _members(group: int) -> Iterator[int]:
    """The processes of a group that are more than a line in the table of processes."""
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            fields = _fields(int(path.name))
            if fields and int(fields[2]) == group and fields[0] != "Z":
                yield int(path.name)


def _born(pid: int) -> str:
    """When a process started, in ticks since the machine did; "" where there is none (any more)."""
    fields = _fields(pid)
    return fields[19] if fields and fields[0] != "Z" else ""


def _fields(pid: int) -> list[str]:
    """/proc/PID/stat from its third field on: state, parent, group, ..."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _write(parts: Mapping[str, Running]) -> None:
    STACK.mkdir(parents=True, exist_ok=True)
    part = STATE.with_suffix(".part")
    kept = {
        name: {"pid": each.pid, "born": each.born, "settings": dict(each.settings), "ends_by": each.ends_by}
        for name, each in parts.items()
    }
    part.write_text(json.dumps(kept, indent=2))
    part.rename(STATE)

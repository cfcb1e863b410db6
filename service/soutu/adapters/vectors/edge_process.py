"""The optimising process, seen from the service: started, told to copy and to optimise, stopped."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import Any

import soutu
from soutu.adapters.vectors.edge_plan import Plan
from soutu.domain.errors import Reason, SoutuError

# The exit statuses and words of edge_optimise, which is not imported: a module that is run as a program stays
# one.
_OPTIMISED, _NOTHING_TO_DO = 0, 10
_READY, _COPIED, _FULL = b"ready\n", b"copied\n", b"full\n"
_SOURCE_ROOT = str(Path(soutu.__file__).parents[1])
_COMPLAINT_CHARACTERS = 1_000


class OptimiserProcess:
    """One run of `edge_optimise`. Thread-safe; once stopped it never runs.

    All but stop() fail with INDEX_UNAVAILABLE, with its cause, if the process fails, dies or is stopped. The
    thread that calls must stay: the process dies with it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    @contextmanager
    def started(self, source: Path, copy: Path, plan: Plan) -> Iterator[None]:
        """The process, ready to copy the shard in `source` to `copy`; it has ended after this."""
        try:
            with self._lock:
                self._process = self._spawned(source, copy, plan)
        except OSError as error:
            raise SoutuError(Reason.INDEX_UNAVAILABLE) from error
        with self._process:
            try:
                self._heard_one_of(_READY)
                yield
            finally:
                self._process.kill()

    def copy(self) -> bool:
        """Copies the shard, which has been flushed and must not change meanwhile; False, and no copy, where
        the disk has too little room for it."""
        self._tell()
        return self._heard_one_of(_COPIED, _FULL) == _COPIED

    def optimise(self) -> Mapping[str, int] | None:
        """Optimises the copy and syncs it, for minutes perhaps, and ends: what SyncedNames is to know of it;
        None if there was nothing to do."""
        answer, complaint = self._running.communicate(b"\n")
        if self._running.returncode not in (_OPTIMISED, _NOTHING_TO_DO):
            raise self._failure(complaint)
        return _times(answer) if self._running.returncode == _OPTIMISED else None

    @property
    def pid(self) -> int | None:
        """The process id, if it has been started."""
        return self._process.pid if self._process else None

    @property
    def stopped(self) -> bool:
        """Whether stop() was called."""
        return self._stopped

    def stop(self) -> None:
        """Kills the process, if it runs."""
        with self._lock:
            self._stopped = True
            if self._process:
                self._process.kill()

    def refuse_if_stopped(self) -> None:
        """INDEX_UNAVAILABLE once stop() was called."""
        if self._stopped:
            raise SoutuError(Reason.INDEX_UNAVAILABLE)

    @property
    def _running(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None, "it was started"
        return self._process

    def _spawned(self, source: Path, copy: Path, plan: Plan) -> "subprocess.Popen[bytes]":
        self.refuse_if_stopped()
        module = "soutu.adapters.vectors.edge_optimise"
        paths = [_SOURCE_ROOT, *filter(None, [os.environ.get("PYTHONPATH")])]
        arguments = [str(os.getpid()), str(source), str(copy), json.dumps(asdict(plan))]
        return subprocess.Popen(
            [sys.executable, "-P", "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,  # Ctrl-C at a terminal does not reach it
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )

    def _tell(self) -> None:
        """Lets it go on; whether it still lives is seen by what it answers."""
        assert self._running.stdin is not None
        try:
            os.write(self._running.stdin.fileno(), b"\n")
        except BrokenPipeError:
            return

    def _heard_one_of(self, *words: bytes) -> bytes:
        """Its next line, which is one of these. It says no more until it is told to go on, so that no buffer
        keeps what follows."""
        assert self._running.stdout is not None
        line = self._running.stdout.readline()
        if not line:
            _, complaint = self._running.communicate()
            raise self._failure(complaint)
        if line not in words:
            raise self._failure(b"it says " + line)
        return line

    def _failure(self, complaint: bytes) -> SoutuError:
        last_words = complaint.decode(errors="replace").strip()[-_COMPLAINT_CHARACTERS:]
        failure = SoutuError(Reason.INDEX_UNAVAILABLE)
        failure.__cause__ = RuntimeError(
            f"the optimising process ended with status {self._running.returncode}: {last_words}"
        )
        return failure


def _times(answer: bytes) -> Mapping[str, int]:
    told: dict[str, Any] = json.loads(answer)
    return {path: int(changed_ns) for path, changed_ns in told.items()}

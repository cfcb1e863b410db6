"""The optimising process, seen from the service: run, waited for, stopped."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from threading import Lock

import soutu
from soutu.adapters.vectors.edge_plan import Plan
from soutu.domain.errors import Reason, SoutuError

# The exit statuses of edge_optimise, which is not imported: a module that is run as a program stays one.
_OPTIMISED, _NOTHING_TO_DO = 0, 10
_SOURCE_ROOT = str(Path(soutu.__file__).parents[1])
_COMPLAINT_CHARACTERS = 1_000


class OptimiserProcess:
    """One run of `edge_optimise`. Thread-safe; once stopped it never runs."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def run(self, folder: Path, plan: Plan) -> bool:
        """Optimises the closed shard in `folder`, for minutes perhaps; False if there was nothing to do.

        INDEX_UNAVAILABLE with its cause if the process fails, dies or is stopped. The thread that calls must
        stay until this returns: the process dies with it.
        """
        try:
            with self._lock:
                self._process = self._started(folder, plan)
        except OSError as error:
            raise SoutuError(Reason.INDEX_UNAVAILABLE) from error
        _, complaint = self._process.communicate()
        if self._process.returncode not in (_OPTIMISED, _NOTHING_TO_DO):
            raise SoutuError(Reason.INDEX_UNAVAILABLE) from _failure(self._process.returncode, complaint)
        return self._process.returncode == _OPTIMISED

    @property
    def pid(self) -> int | None:
        """The process id, if it has been started."""
        return self._process.pid if self._process else None

    @property
    def stopped(self) -> bool:
        """Whether stop() was called."""
        return self._stopped

    def stop(self) -> None:
        """Kills the process, if it runs. run() then fails."""
        with self._lock:
            self._stopped = True
            if self._process:
                self._process.kill()

    def refuse_if_stopped(self) -> None:
        """INDEX_UNAVAILABLE once stop() was called."""
        if self._stopped:
            raise SoutuError(Reason.INDEX_UNAVAILABLE)

    def _started(self, folder: Path, plan: Plan) -> "subprocess.Popen[bytes]":
        self.refuse_if_stopped()
        module = "soutu.adapters.vectors.edge_optimise"
        paths = [_SOURCE_ROOT, *filter(None, [os.environ.get("PYTHONPATH")])]
        arguments = [str(os.getpid()), str(folder), json.dumps(asdict(plan))]
        return subprocess.Popen(
            [sys.executable, "-P", "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )


def _failure(status: int, complaint: bytes) -> RuntimeError:
    last_words = complaint.decode(errors="replace").strip()[-_COMPLAINT_CHARACTERS:]
    return RuntimeError(f"the optimising process ended with status {status}: {last_words}")

"""A process that copies a shard, optimises the copy and ends.

    python -m soutu.adapters.vectors.edge_optimise <pid of the parent> <source> <copy> <plan as JSON>

The engine keeps the interpreter's lock while it optimises, and in the service each operation on a file waits
for that lock while searches go on.

It says "ready" and waits for a line: from then on the source is flushed and does not change. It says
"copied", or "full" where the disk has too little room, and waits for another. What it leaves is synced; its
last line, in JSON, is when the names in each directory were changed last (SyncedNames). Its exit status says
what came of it: EXIT_OPTIMISED, EXIT_NOTHING_TO_DO, or any other for a failure, with the complaint on
standard error. It dies with the thread that started it.
"""

import ctypes
import json
import os
import signal
import sys
import time
from pathlib import Path

import qdrant_edge as edge

from soutu.adapters.vectors.edge_copy import copy_folder, has_room, sync_files
from soutu.adapters.vectors.edge_names import SETTLED_S, SyncedNames
from soutu.adapters.vectors.edge_plan import Plan
from soutu.observe.precedence import step_back

EXIT_OPTIMISED = 0
EXIT_NOTHING_TO_DO = 10
_EXIT_UNWANTED = 11
_NICENESS = 10
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(parent: int, source: Path, copy: Path, plan: Plan) -> int:
    """The exit status."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above
        return _EXIT_UNWANTED
    if not _told("ready"):
        return _EXIT_UNWANTED
    if has_room(source):
        copy_folder(source, copy)  # no writer goes on meanwhile, so it does not give way yet
        wanted = _told("copied")
    else:
        wanted = _told("full")
    if not wanted:
        return _EXIT_UNWANTED
    step_back(os.getpid(), _NICENESS)
    return EXIT_OPTIMISED if _optimise(copy, plan) else EXIT_NOTHING_TO_DO


def _optimise(folder: Path, plan: Plan) -> bool:
    shard = edge.EdgeShard.load(str(folder), plan.config())
    optimised = bool(shard.optimize())
    shard.flush()
    shard.close()
    if optimised:
        sync_files(folder)
        time.sleep(SETTLED_S)  # so that the service need not sync again what was changed last
        names = SyncedNames(folder)
        names.sync()
        print(json.dumps(names.changed_ns), flush=True)
    return optimised


def _told(word: str) -> bool:
    """Whether the service wants it to go on, having been told this."""
    print(word, flush=True)
    return bool(sys.stdin.readline())


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), Plan(**json.loads(sys.argv[4]))))

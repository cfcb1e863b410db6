"""A process that optimises one closed shard and ends: the engine keeps the interpreter's lock all the while.

    python -m soutu.adapters.vectors.edge_optimise <pid of the parent> <folder> <plan as JSON>

What it leaves is synced, and its exit status says what came of it: EXIT_OPTIMISED, EXIT_NOTHING_TO_DO, or any
other for a failure, with the engine's complaint on standard error. It dies with the thread that started it.
"""

import ctypes
import json
import os
import signal
import sys
from pathlib import Path

import qdrant_edge as edge

from soutu.adapters.vectors.edge_copy import sync_files
from soutu.adapters.vectors.edge_plan import Plan

EXIT_OPTIMISED = 0
EXIT_NOTHING_TO_DO = 10
_EXIT_ORPHANED = 11
_NICENESS = 10
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(parent: int, folder: str, plan: Plan) -> int:
    """The exit status."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above
        return _EXIT_ORPHANED
    os.nice(_NICENESS)
    shard = edge.EdgeShard.load(folder, plan.config())
    optimised = shard.optimize()
    shard.flush()
    shard.close()
    sync_files(Path(folder))  # here, where no search holds the interpreter's lock between a file and the next
    return EXIT_OPTIMISED if optimised else EXIT_NOTHING_TO_DO


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2], Plan(**json.loads(sys.argv[3]))))

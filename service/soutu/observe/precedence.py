"""Who goes first where there are more threads than cores: the event loop, which everybody waits for."""

import os
import sys
from contextlib import suppress


def step_back(task: int, niceness: int) -> None:
    """Lets a process, or on Linux a thread by its native id, compute when others do not want to: with this
    niceness, and without taking the core from who is at work whenever it wakes, as a thread that has waited
    may (SCHED_BATCH). Where the system does not allow that, nothing happens.

    Where Linux groups processes by session (sched_autogroup), niceness counts within a session only: who
    is to step back behind us must not be given one of its own.
    """
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, task, niceness)
        if sys.platform == "linux":
            os.sched_setscheduler(task, os.SCHED_BATCH, os.sched_param(0))

"""Who goes first where there are more threads than cores: the event loop, which everybody waits for."""

import os
import sys
from contextlib import suppress

_NICEST = 19


def step_back(task: int, by: int) -> None:
    """Lets a process, or on Linux a thread by its native id, compute when others do not want to: nicer than
    we are by so much, and without taking the core from who is at work whenever it wakes, as a thread that
    has waited may (SCHED_BATCH). What the system does not allow is left as it is.

    Where Linux groups processes by session (sched_autogroup), niceness counts within a session only: who
    is to step back behind us must not be given one of its own.
    """
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, task, min(_NICEST, os.getpriority(os.PRIO_PROCESS, os.getpid()) + by))
    if sys.platform == "linux":
        with suppress(OSError):
            os.sched_setscheduler(task, os.SCHED_BATCH, os.sched_param(0))

"""Which cores what is measured, and what measures, run on."""

import os
from collections.abc import Iterator, Set
from contextlib import contextmanager


def halves() -> tuple[Set[int], Set[int]]:
    """The cores of this process in two parts that share none; ValueError where there is one only."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise ValueError("this measurement needs two cores")
    middle = len(cores) // 2
    return set(cores[:middle]), set(cores[middle:])


@contextmanager
def on(cores: Set[int]) -> Iterator[None]:
    """What is started meanwhile runs on these cores only, and goes on so."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)

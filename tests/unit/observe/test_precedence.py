"""Who steps back behind the event loop."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from soutu.observe.precedence import step_back


@pytest.fixture
def other() -> Iterator[int]:
    """A process of no importance."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        yield process.pid
        process.kill()


def test_a_process_that_steps_back_is_nicer_than_we_are(other: int) -> None:
    step_back(other, 5)
    assert os.getpriority(os.PRIO_PROCESS, other) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 5)
    step_back(other, 100)
    assert os.getpriority(os.PRIO_PROCESS, other) == 19


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is only niceness")
def test_it_takes_no_core_when_it_wakes(other: int) -> None:
    step_back(other, 5)
    assert os.sched_getscheduler(other) == os.SCHED_BATCH
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_what_the_system_refuses_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch, other: int) -> None:
    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", refused)
    step_back(other, 5)
    assert os.getpriority(os.PRIO_PROCESS, other) == os.getpriority(os.PRIO_PROCESS, 0)
    if sys.platform == "linux":
        assert os.sched_getscheduler(other) == os.SCHED_BATCH
    step_back(2**22 + 1, 5)  # nobody has that id

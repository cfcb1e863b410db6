"""The share of its time in which a loop has something to do."""

import asyncio
import time

import pytest

from soutu.observe.busyness import Busyness, WatchedLoop


class Loop:
    """A loop whose rest, and whose time, the test says."""

    def __init__(self) -> None:
        self.now_s = self.rested_s = 0.0
        self.busyness = Busyness(lambda: self.rested_s, lambda: self.now_s)

    def goes_on(self, seconds: float, resting_s: float) -> None:
        self.now_s += seconds
        self.rested_s += resting_s


def test_the_share_is_that_of_the_last_whole_window() -> None:
    loop = Loop()
    loop.goes_on(0.1, resting_s=0.025)
    assert loop.busyness.share() == pytest.approx(0.75)
    loop.goes_on(0.04, resting_s=0.04)
    assert loop.busyness.share() == pytest.approx(0.75)
    loop.goes_on(0.04, resting_s=0.04)
    assert loop.busyness.share() == pytest.approx(0.0)


def test_a_rest_that_ends_after_its_window_makes_no_share_below_none() -> None:
    loop = Loop()
    loop.goes_on(0.1, resting_s=0.3)
    assert loop.busyness.share() == 0.0


def test_a_loop_that_nobody_watches_is_never_busy() -> None:
    assert Busyness(None, lambda: 7.0).share() == 0.0


def compute(seconds: float) -> None:
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        pass


def test_a_real_loop_rests_when_it_waits_and_not_when_it_works() -> None:
    async def shares() -> tuple[float, float]:
        busyness = Busyness.of_running_loop()
        for _ in range(20):
            compute(0.01)
            await asyncio.sleep(0)
        working = busyness.share()
        await asyncio.sleep(0.2)
        return working, busyness.share()

    with asyncio.Runner(loop_factory=WatchedLoop) as runner:
        working, resting = runner.run(shares())
    assert working > 0.9
    assert resting < 0.5


async def test_the_usual_loop_is_taken_as_it_is() -> None:
    assert Busyness.of_running_loop().share() == 0.0

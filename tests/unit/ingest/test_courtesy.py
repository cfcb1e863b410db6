"""Long work makes room for queries, and goes on."""

import asyncio

import pytest

from soutu.ingest.courtesy import Courtesy
from soutu.observe.clock import SystemClock


class Work:
    """Images in work, counted."""

    def __init__(self, courtesy: Courtesy, images: int, seconds: float = 0.02) -> None:
        self.now = self.most = self.done = 0
        self._courtesy = courtesy
        self._seconds = seconds
        self._images = images

    async def run(self) -> None:
        await asyncio.gather(*(self._one() for _ in range(self._images)))

    async def _one(self) -> None:
        async with self._courtesy.turn():
            self.now += 1
            self.most = max(self.most, self.now)
            await asyncio.sleep(self._seconds)
            self.now -= 1
            self.done += 1


@pytest.fixture
def courtesy() -> Courtesy:
    return Courtesy(SystemClock())


async def test_without_queries_nothing_waits(courtesy: Courtesy) -> None:
    await asyncio.sleep(0.15)
    work = Work(courtesy, 4)
    await work.run()
    assert work.most == 4


async def test_with_queries_one_image_at_a_time_goes_on(courtesy: Courtesy) -> None:
    work = Work(courtesy, 8)
    with courtesy.query():
        await asyncio.wait_for(work.run(), 2)
    assert (work.most, work.done) == (1, 8)


async def test_between_two_queries_no_image_slips_in(courtesy: Courtesy) -> None:
    with courtesy.query():
        pass
    work = Work(courtesy, 2)
    await work.run()
    assert work.most == 1


async def test_full_speed_returns_after_the_last_query(courtesy: Courtesy) -> None:
    work = Work(courtesy, 40)
    with courtesy.query():
        running = asyncio.create_task(work.run())
        await asyncio.sleep(0.05)
        assert work.most == 1
    await running
    assert work.most > 1


async def test_a_cancelled_turn_is_given_back(courtesy: Courtesy) -> None:
    with courtesy.query():
        for _ in range(3):
            task = asyncio.create_task(Work(courtesy, 3, 10).run())
            await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        work = Work(courtesy, 2)
        await asyncio.wait_for(work.run(), 1)
    assert work.done == 2

"""Pictures that wait together are run together, and answered each for itself."""

import asyncio

import numpy as np
import pytest

from soutu.adapters.inference.gathering import Batch, Gathering
from soutu.domain.embedding import Vectors
from soutu.domain.errors import Reason, SoutuError


class Model:
    """Answers each picture with its own value; fails on a run that holds `bad`."""

    def __init__(self, bad: int = -1) -> None:
        self.sizes: list[int] = []
        self.gate = asyncio.Event()
        self._bad = bad

    async def run(self, pixels: Batch) -> Vectors:
        self.sizes.append(len(pixels))
        await self.gate.wait()
        values = pixels[:, 0, 0, :1].astype(np.float32)
        if self._bad in values:
            raise SoutuError(Reason.INFERENCE_UNAVAILABLE)
        return values


def picture(value: int) -> Batch:
    return np.full((1, 2, 2, 3), value, np.uint8)


async def waiting(gathering: Gathering, count: int) -> list[asyncio.Task[Vectors]]:
    tasks = [asyncio.create_task(gathering.embed(picture(value))) for value in range(count)]
    await asyncio.sleep(0)
    return tasks


async def test_what_waits_shares_runs_of_bounded_size() -> None:
    model = Model()
    tasks = await waiting(Gathering(model.run, lanes=2, most=4), 12)
    model.gate.set()
    answers = await asyncio.gather(*tasks)
    assert [int(answer[0, 0]) for answer in answers] == list(range(12))
    assert model.sizes[:2] == [1, 1]
    assert max(model.sizes) == 4
    assert sum(model.sizes) == 12


async def test_a_picture_that_fails_spoils_no_other() -> None:
    model = Model(bad=3)
    tasks = await waiting(Gathering(model.run, lanes=1, most=4), 5)
    model.gate.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(answer, SoutuError) for answer in answers] == [False, False, False, True, False]


async def test_pictures_that_nobody_waits_for_are_left_out() -> None:
    model = Model()
    tasks = await waiting(Gathering(model.run, lanes=1, most=4), 4)
    tasks[2].cancel()
    await asyncio.sleep(0)
    model.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await tasks[2]
    assert [int((await tasks[place])[0, 0]) for place in (0, 1, 3)] == [0, 1, 3]
    assert sum(model.sizes) == 3

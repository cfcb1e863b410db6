"""Single pictures, or texts, that wait at the same time are run together: a few in one run cost less than one
by one."""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soutu.domain.embedding import Vectors
from soutu.domain.errors import SoutuError

Batch = NDArray[Any]  # pixels (n, height, width, 3) or tokens (n, context)
_Waiting = tuple[Batch, asyncio.Future[Vectors]]


class Gathering:
    """Up to `lanes` runs at a time, each of up to `most` of the pictures that wait when it begins. Nothing is
    delayed to fill a run: on an idle machine every picture is run at once and alone. Where a whole run waits
    while all lanes are taken, it is handed over already, one for each lane: a thread that has ended one run
    then begins the next at once, and not when the event loop comes round to it."""

    def __init__(self, run: Callable[[Batch], Awaitable[Vectors]], lanes: int, most: int) -> None:
        self._run = run
        self._lanes = self._free = lanes
        self._most = most
        self._waiting: deque[_Waiting] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    async def embed(self, single: Batch) -> Vectors:
        """The vector, float32 (1, dimension), of one picture or text, a batch of one."""
        answer: asyncio.Future[Vectors] = asyncio.get_running_loop().create_future()
        self._waiting.append((single, answer))
        self._begin()
        return await answer

    def _begin(self) -> None:
        while some := self._taken():
            self._free -= 1
            task = asyncio.create_task(self._work(some))
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _taken(self) -> list[_Waiting]:
        """What the next run is made of, if there is to be one now."""
        while self._waiting and self._waiting[0][1].done():  # nobody waits for it any more
            self._waiting.popleft()
        some = [self._waiting.popleft() for _ in range(self._share())]
        return [(single, answer) for single, answer in some if not answer.done()]

    def _share(self) -> int:
        """How many pictures: a free lane's fair share, or a whole run in advance."""
        waiting = len(self._waiting)
        if self._free > 0:
            return min(self._most, math.ceil(waiting / self._free))
        return self._most if self._free > -self._lanes and waiting >= self._most else 0

    async def _work(self, some: list[_Waiting]) -> None:
        try:
            vectors = await self._run(np.concatenate([single for single, _ in some]))
        except SoutuError as error:
            await self._one_by_one(some, error)
        else:
            for place, (_, answer) in enumerate(some):
                _settle(answer, vectors[place : place + 1])

    async def _one_by_one(self, some: list[_Waiting], error: SoutuError) -> None:
        """One picture that the model fails on must not spoil those that happened to be beside it."""
        if len(some) == 1:
            _settle(some[0][1], error)
            return
        for each in some:
            await self._work([each])

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._free += 1
        self._begin()


def _settle(answer: asyncio.Future[Vectors], outcome: Vectors | SoutuError) -> None:
    if answer.done():  # its caller has gone
        return
    if isinstance(outcome, SoutuError):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)

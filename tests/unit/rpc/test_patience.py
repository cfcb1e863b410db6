"""Clients that are refused while they send: as much of it is taken as costs little."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, cast

import grpc
import pytest

from soutu.rpc.patience import Patience
from soutu.rpc.received import Received, reader
from soutu.v1.image_service_pb2 import StreamUploadImageRequest

MIB = 2**20

END = grpc.aio.EOF  # type: ignore[attr-defined]  # the stubs lack it


class Caller:
    """The server's side of a call whose client sends so many messages, one every `pause_s`, and then ends or
    falls silent."""

    def __init__(
        self,
        count: int,
        message: Received = Received(b"message", 7),  # noqa: B008  # it does not change
        *,
        pause_s: float = 0,
        ends: bool = True,
        left_s: float | None = None,
    ) -> None:
        self.taken = 0
        self._message = message
        self._count = count
        self._pause_s = pause_s
        self._ends = ends
        self._left_s = left_s

    def time_remaining(self) -> float | None:
        return self._left_s

    async def read(self) -> object:
        await asyncio.sleep(self._pause_s)
        if self.taken < self._count:
            self.taken += 1
            return self._message
        if not self._ends:
            await asyncio.Event().wait()
        return END


async def dropped(patience: Patience, *callers: Caller) -> float:
    """Drops what they send, all at once; how long it took, in seconds."""
    began_s = time.monotonic()
    await asyncio.gather(*(patience.drop(cast(Any, each)) for each in callers))
    return time.monotonic() - began_s


async def test_what_comes_is_taken_to_its_end() -> None:
    caller = Caller(100)
    await dropped(Patience(60), caller)
    assert caller.taken == 100


async def test_who_falls_silent_is_not_waited_for() -> None:
    caller = Caller(3, ends=False)
    assert await dropped(Patience(60), caller) < 2
    assert caller.taken == 3


async def test_half_of_the_time_that_is_left_is_left() -> None:
    caller = Caller(10**6, pause_s=0.01, left_s=2)
    assert await dropped(Patience(60), caller) < 1.9
    assert caller.taken > 1


@pytest.mark.parametrize("deserialize", [StreamUploadImageRequest.FromString, None])
async def test_who_sends_much_is_cut_off(deserialize: Callable[[bytes], Any] | None) -> None:
    message = StreamUploadImageRequest(chunk=bytes(MIB)).SerializeToString()
    caller = Caller(1_000, reader(deserialize)(message))
    await dropped(Patience(60), caller)
    assert 40 < caller.taken < 60


async def test_only_a_few_calls_are_treated_so_at_a_time() -> None:
    callers = [Caller(5, pause_s=0.01) for _ in range(50)]
    patience = Patience(60)
    await dropped(patience, *callers)
    assert sorted(each.taken for each in callers) == [0] * 42 + [5] * 8
    later = Caller(5)
    await dropped(patience, later)
    assert later.taken == 5

"""Answers are kept beside their callers, who do not wait for that; whoever asks again does."""

import asyncio

from soutu.adapters.cache.memory import MemoryCache
from soutu.rpc.answers import Answers
from soutu.v1 import search_pb2

RESPONSE = search_pb2.SearchResponse(matches=[search_pb2.Match(score=0.5)])


class SlowCache(MemoryCache):
    """Puts nothing before it is told to."""

    def __init__(self) -> None:
        super().__init__(10_000)
        self.go = asyncio.Event()

    async def put(self, key: bytes, value: bytes) -> None:
        await self.go.wait()
        await super().put(key, value)


async def test_an_answer_that_is_being_kept_is_waited_for() -> None:
    cache = SlowCache()
    answers = Answers(cache)
    answers.keep(b"key", RESPONSE)
    again = asyncio.create_task(answers.recall(b"key"))
    await asyncio.sleep(0.01)
    assert not again.done()
    cache.go.set()
    recalled = await again
    assert recalled is not None
    assert recalled.report.cached
    assert recalled.matches == RESPONSE.matches


async def test_closing_waits_for_what_is_being_kept() -> None:
    cache = SlowCache()
    answers = Answers(cache)
    answers.keep(b"key", RESPONSE)
    closing = asyncio.create_task(answers.close())
    await asyncio.sleep(0.01)
    assert not closing.done()
    cache.go.set()
    await closing
    assert await cache.get(b"key") == RESPONSE.SerializeToString()

"""Answers are kept beside their callers, who do not wait for that; whoever asks again does."""

import asyncio

from soutu.adapters.cache.memory import MemoryCache
from soutu.domain.errors import Reason, SoutuError
from soutu.rpc.answers import Answers
from soutu.v1 import search_pb2

RESPONSE = search_pb2.SearchResponse(matches=[search_pb2.Match(score=0.5)])


async def current() -> bool:
    return True


async def test_an_answer_that_is_being_kept_is_waited_for() -> None:
    answers, looked = Answers(MemoryCache(10_000)), asyncio.Event()

    async def slowly() -> bool:
        await looked.wait()
        return True

    answers.keep(b"key", RESPONSE, slowly)
    again = asyncio.create_task(answers.recall(b"key"))
    await asyncio.sleep(0.01)
    assert not again.done()
    looked.set()
    recalled = await again
    assert recalled is not None
    assert recalled.report.cached
    assert recalled.matches == RESPONSE.matches


async def test_what_has_changed_meanwhile_is_not_kept() -> None:
    answers = Answers(MemoryCache(10_000))

    async def changed() -> bool:
        return False

    answers.keep(b"key", RESPONSE, changed)
    assert await answers.recall(b"key") is None


async def test_a_catalogue_that_is_away_costs_the_keeping_only() -> None:
    answers = Answers(MemoryCache(10_000))

    async def away() -> bool:
        raise SoutuError(Reason.CATALOG_UNAVAILABLE)

    answers.keep(b"key", RESPONSE, away)
    assert await answers.recall(b"key") is None
    answers.keep(b"key", RESPONSE, current)
    assert await answers.recall(b"key") is not None


async def test_closing_waits_for_what_is_being_kept() -> None:
    cache = MemoryCache(10_000)
    answers = Answers(cache)
    answers.keep(b"key", RESPONSE, current)
    await answers.close()
    assert await cache.get(b"key") == RESPONSE.SerializeToString()

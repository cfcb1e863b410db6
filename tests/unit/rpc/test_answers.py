"""Answers are kept beside their callers, who do not wait for that; what several ask for is made once."""

import asyncio
from hashlib import sha256
from typing import Any

from soutu.adapters.cache.memory import MemoryCache
from soutu.rpc.answers import Answers, digest_of, hashed
from soutu.rpc.convert.queries import query_of
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


async def recalled(answers: Answers, key: bytes = b"key") -> search_pb2.SearchResponse:
    answer = await answers.recall(key)
    assert answer is not None
    assert answer.report.cached
    return answer


async def test_an_answer_that_is_being_made_is_waited_for_by_all_who_ask() -> None:
    answers = Answers(MemoryCache(10_000))
    with answers.making(b"key") as keep:
        waiting = [asyncio.create_task(recalled(answers)) for _ in range(3)]
        await asyncio.sleep(0.01)
        assert not any(each.done() for each in waiting)
        keep(RESPONSE)
    assert [each.matches for each in await asyncio.gather(*waiting)] == 3 * [RESPONSE.matches]
    assert not RESPONSE.report.cached
    await answers.close()


async def test_whoever_waits_for_an_answer_that_is_not_kept_is_told_so() -> None:
    answers = Answers(MemoryCache(10_000))

    async def fail() -> None:
        with answers.making(b"key"):
            await asyncio.sleep(0.01)
            raise ValueError

    making, waiting = asyncio.create_task(fail()), asyncio.create_task(answers.recall(b"key"))
    assert await waiting is None
    assert isinstance((await asyncio.gather(making, return_exceptions=True))[0], ValueError)
    with answers.making(b"key") as keep:  # it may be tried again
        keep(RESPONSE)
    assert (await recalled(answers)).matches == RESPONSE.matches
    await answers.close()


async def test_a_maker_that_is_cancelled_holds_nobody_up() -> None:
    answers = Answers(MemoryCache(10_000))

    async def linger() -> None:
        with answers.making(b"key"):
            await asyncio.sleep(60)

    making = asyncio.create_task(linger())
    await asyncio.sleep(0)
    waiting = asyncio.create_task(answers.recall(b"key"))
    await asyncio.sleep(0.01)
    making.cancel()
    assert await waiting is None


async def test_one_who_makes_what_is_being_made_is_not_in_the_way() -> None:
    answers = Answers(MemoryCache(10_000))
    with answers.making(b"key") as keep:
        with answers.making(b"key") as keep_another:
            keep_another(search_pb2.SearchResponse())
        keep(RESPONSE)
    assert (await recalled(answers)).matches == RESPONSE.matches
    await answers.close()


async def test_an_answer_is_there_while_the_cache_still_takes_it() -> None:
    cache = SlowCache()
    answers = Answers(cache)
    with answers.making(b"key") as keep:
        keep(RESPONSE)
    assert (await recalled(answers)).matches == RESPONSE.matches
    cache.go.set()
    await answers.close()


async def test_nothing_is_kept_without_a_key() -> None:
    cache = MemoryCache(10_000)
    answers = Answers(cache)
    with answers.making(None) as keep:
        keep(RESPONSE)
    await answers.close()
    assert await answers.recall(b"") is None


async def digest(**fields: Any) -> bytes:
    """Of a search for these pictures, with these other fields."""
    request = search_pb2.SearchRequest(collection="collections/c")
    for picture in fields.pop("pictures", (b"picture",)):
        request.parts.add().image = picture
    request.MergeFrom(search_pb2.SearchRequest(**fields))
    return await digest_of(request, await hashed(query_of(request, 1.0)))


async def test_a_request_is_told_from_any_other_by_its_hash() -> None:
    large = bytes(2 * 2**20)
    different = [
        await digest(),
        await digest(pictures=[b"another"]),
        await digest(pictures=[b"picture", b"picture"]),
        await digest(pictures=[sha256(b"picture").digest()]),
        await digest(pictures=[large]),
        await digest(pictures=[large + b"1"]),
        await digest(page_size=5),
        await digest(explain=True),
        await digest(filter="rating > 3"),
    ]
    assert len(set(different)) == len(different)
    assert {len(each) for each in different} == {32}
    assert await digest() == different[0]
    assert await digest(pictures=[large]) == different[4]


async def test_what_may_not_be_kept_has_no_hash() -> None:
    assert await digest(skip_cache=True) == b""
    elsewhere = search_pb2.QueryPart(uri="https://example.com/a.jpg")
    assert await digest(parts=[elsewhere]) == b""


async def test_closing_waits_for_what_is_being_kept() -> None:
    cache = SlowCache()
    answers = Answers(cache)
    with answers.making(b"key") as keep:
        keep(RESPONSE)
    closing = asyncio.create_task(answers.close())
    await asyncio.sleep(0.01)
    assert not closing.done()
    cache.go.set()
    await closing
    assert await cache.get(b"key") == RESPONSE.SerializeToString()

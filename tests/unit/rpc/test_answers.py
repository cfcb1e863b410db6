"""Answers are kept beside their callers, who do not wait for that; whoever asks again does."""

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
    answers.keep(b"key", RESPONSE)
    closing = asyncio.create_task(answers.close())
    await asyncio.sleep(0.01)
    assert not closing.done()
    cache.go.set()
    await closing
    assert await cache.get(b"key") == RESPONSE.SerializeToString()

"""One connection to a real Redis, over which commands do not wait for each other."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import ConnectionPool
from redis.exceptions import ConnectionError as LostError
from redis.exceptions import ResponseError

from scripts.stack.running import Running
from soutu.adapters.cache import redis_line
from soutu.adapters.cache.redis_line import RedisLine


@pytest.fixture
async def line(redis: Running) -> AsyncIterator[RedisLine]:
    line = RedisLine(ConnectionPool.from_url(redis.settings["SOUTU_CACHE_URL"], protocol=2))
    yield line
    await line.close()


async def asked(line: RedisLine, *command: bytes | str | int) -> object:
    return await (await line.send(*command))


async def own_id(line: RedisLine) -> object:
    """Redis's number for the connection."""
    return await asked(line, b"CLIENT", b"ID")


async def test_each_gets_the_answer_to_its_own_command(line: RedisLine) -> None:
    said = [b"%d" % number for number in range(500)]
    assert await asyncio.gather(*(asked(line, b"ECHO", each) for each in said)) == said
    assert len({await own_id(line) for _ in range(10)}) == 1


async def test_a_refusal_is_of_its_command_alone(line: RedisLine) -> None:
    answers = [await line.send(*command) for command in ((b"ECHO", b"a"), (b"NONSENSE",), (b"ECHO", b"b"))]
    a, refusal, b = await asyncio.gather(*answers, return_exceptions=True)
    assert (a, b) == (b"a", b"b")
    assert isinstance(refusal, ResponseError)


async def test_whoever_gives_up_takes_no_answer_from_others(line: RedisLine, redis: Running) -> None:
    first = await own_id(line)
    os.kill(redis.pid, signal.SIGSTOP)
    try:
        gone, waiting = await line.send(b"ECHO", b"gone"), await line.send(b"ECHO", b"mine")
        gone.cancel()
    finally:
        os.kill(redis.pid, signal.SIGCONT)
    assert await waiting == b"mine"
    assert await own_id(line) == first


async def test_hanging_up_is_told_to_all_who_wait_and_the_next_connects_anew(
    line: RedisLine, redis: Running
) -> None:
    first = await own_id(line)
    os.kill(redis.pid, signal.SIGSTOP)
    try:
        waiting = [await line.send(b"PING") for _ in range(3)]
        line.hang_up()
        told = await asyncio.gather(*waiting, return_exceptions=True)
    finally:
        os.kill(redis.pid, signal.SIGCONT)
    assert [type(each) for each in told] == 3 * [LostError]
    assert await own_id(line) != first


async def test_a_connection_that_redis_ends_is_made_anew(line: RedisLine) -> None:
    other = RedisLine(line._pool)
    first = await own_id(line)
    await asked(other, b"CLIENT", b"KILL", b"ID", str(first))
    await other.close()
    async with asyncio.timeout(5):
        while True:
            try:
                assert await own_id(line) != first
                return
            except LostError:  # it was sent before the end was heard of
                await asyncio.sleep(0.01)


async def test_a_redis_that_answers_no_more_is_not_sent_more_and_more(
    line: RedisLine, redis: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_line, "_MOST_WAITING", 10)
    await asked(line, b"PING")
    os.kill(redis.pid, signal.SIGSTOP)
    try:
        waiting = [await line.send(b"PING") for _ in range(10)]
        with pytest.raises(LostError):
            await line.send(b"PING")
        told = await asyncio.gather(*waiting, return_exceptions=True)
    finally:
        os.kill(redis.pid, signal.SIGCONT)
    assert {type(each) for each in told} == {LostError}

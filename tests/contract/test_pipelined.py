"""One connection to a real Redis, over which commands do not wait for each other."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as LostError
from redis.exceptions import ResponseError

from scripts.stack.running import Running
from soutu.adapters.cache.pipelined import PipelinedRedis
from tests.contract.servers import url_of

WAIT_S = 0.5
LARGE = 16 * 2**20  # more than sockets hold


@pytest.fixture
async def pipelined(redis: Running) -> AsyncIterator[PipelinedRedis]:
    pipelined = PipelinedRedis.at(url_of(redis), WAIT_S)
    yield pipelined
    await pipelined.close()


@contextmanager
def stopped(redis: Running) -> Iterator[None]:
    os.kill(redis.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(redis.pid, signal.SIGCONT)


async def own_id(pipelined: PipelinedRedis) -> int:
    """Redis's number for the connection."""
    return int(await pipelined.ask(b"CLIENT", b"ID"))


async def test_each_gets_the_reply_to_its_own_command(pipelined: PipelinedRedis) -> None:
    said = [b"%d" % number for number in range(2_500)]
    assert await asyncio.gather(*(pipelined.ask(b"ECHO", each) for each in said)) == said
    assert len({await own_id(pipelined) for _ in range(10)}) == 1


async def test_a_refusal_is_of_its_command_alone(pipelined: PipelinedRedis) -> None:
    commands = ((b"ECHO", b"a"), (b"NONSENSE",), (b"ECHO", b"b"))
    replies = [await pipelined.tell(*command) for command in commands]
    a, refusal, b = await asyncio.gather(*replies, return_exceptions=True)
    assert (a, b) == (b"a", b"b")
    assert isinstance(refusal, ResponseError)


async def test_whoever_goes_takes_no_reply_from_others(pipelined: PipelinedRedis, redis: Running) -> None:
    first = await own_id(pipelined)
    with stopped(redis):
        gone = asyncio.create_task(pipelined.ask(b"ECHO", b"gone"))
        await asyncio.sleep(0.01)
        mine = await pipelined.tell(b"ECHO", b"mine")
        gone.cancel()
        await asyncio.sleep(0.01)
    assert await mine == b"mine"
    assert await own_id(pipelined) == first


async def test_silence_is_told_to_all_who_wait_and_the_next_connects_anew(
    pipelined: PipelinedRedis, redis: Running
) -> None:
    first = await own_id(pipelined)
    with stopped(redis):
        waiting = [await pipelined.tell(b"PING") for _ in range(3)]
        with pytest.raises(TimeoutError):
            await pipelined.ask(b"PING")
        told = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each) for each in told] == 3 * [LostError]
    assert await own_id(pipelined) != first


async def test_a_connection_that_redis_ends_is_made_anew(pipelined: PipelinedRedis, stranger: Redis) -> None:
    first = await own_id(pipelined)
    await stranger.client_kill_filter(_id=str(first))
    async with asyncio.timeout(5):
        while True:
            try:
                assert await own_id(pipelined) != first
                return
            except LostError:  # it was sent before the end was heard of
                await asyncio.sleep(0.01)


async def test_whoever_goes_in_the_middle_of_a_large_value_ends_the_connection_for_all(
    pipelined: PipelinedRedis, redis: Running
) -> None:
    first = await own_id(pipelined)
    with stopped(redis):
        waiting = await pipelined.tell(b"PING")
        sending = asyncio.create_task(pipelined.tell(b"SET", b"large", bytes(LARGE)))
        await asyncio.sleep(0.05)
        assert not sending.done()
        sending.cancel()
        with pytest.raises(LostError):
            await waiting
        assert (await asyncio.gather(sending, return_exceptions=True))[0].__class__ is asyncio.CancelledError
    assert await own_id(pipelined) != first


async def test_a_redis_that_stands_still_is_not_sent_more_and_more(redis: Running) -> None:
    few = PipelinedRedis.at(url_of(redis), WAIT_S, most_pending=10)
    await few.ask(b"PING")
    with stopped(redis):
        waiting = [await few.tell(b"PING") for _ in range(10)]
        with pytest.raises(TimeoutError):
            await few.tell(b"PING")
    assert await asyncio.gather(*waiting) == 10 * [b"PONG"]
    await few.close()


async def test_a_full_connection_that_stands_still_is_given_up_by_whoever_asks(redis: Running) -> None:
    few = PipelinedRedis.at(url_of(redis), WAIT_S, most_pending=10)
    first = await own_id(few)
    with stopped(redis):
        waiting = [asyncio.create_task(few.ask(b"ECHO", b"gone")) for _ in range(10)]
        await asyncio.sleep(0.01)
        for each in waiting:
            each.cancel()
        began = time.process_time()
        with pytest.raises(TimeoutError):
            await few.ask(b"PING")
        assert time.process_time() - began < WAIT_S / 2
    assert await own_id(few) != first
    await few.close()


async def test_whoever_goes_while_it_connects_leaves_no_connection_behind(
    redis: Running, stranger: Redis
) -> None:
    there = len(await stranger.client_list())
    pipelined = PipelinedRedis.at(url_of(redis), WAIT_S)
    for steps in range(1, 40):
        asking = asyncio.create_task(pipelined.ask(b"PING"))
        for _ in range(steps):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    assert await pipelined.ask(b"PING") == b"PONG"
    await pipelined.close()
    async with asyncio.timeout(5):
        while len(await stranger.client_list()) > there:
            await asyncio.sleep(0.01)


async def test_closing_waits_for_what_was_sent(redis: Running, stranger: Redis) -> None:
    pipelined = PipelinedRedis.at(url_of(redis), WAIT_S)
    await stranger.delete("last")
    await pipelined.ask(b"PING")
    with stopped(redis):
        await pipelined.tell(b"SET", b"last", b"value")
        closing = asyncio.create_task(pipelined.close())
        await asyncio.sleep(0.05)
        assert not closing.done()
    await closing
    assert await stranger.get("last") == b"value"


async def kills(stranger: Redis) -> int:
    """How many connections Redis has been told to end."""
    told = await stranger.info("commandstats")
    return int(told.get("cmdstat_client|kill", {"calls": 0})["calls"])


async def test_what_was_given_up_before_its_replies_is_ended_by_redis(
    pipelined: PipelinedRedis, redis: Running, stranger: Redis
) -> None:
    before, first = await kills(stranger), await own_id(pipelined)
    with stopped(redis), pytest.raises(TimeoutError):
        await pipelined.ask(b"PING")
    await asyncio.gather(pipelined.end_doubtful(), pipelined.end_doubtful())
    after = await kills(stranger)
    assert after > before
    await pipelined.end_doubtful()
    assert await kills(stranger) == after
    assert first not in {int(each["id"]) for each in await stranger.client_list()}

"""The Cache port's promises, in this process and on a real Redis."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from scripts.stack.running import Running
from soutu.adapters.cache.memory import MemoryCache
from soutu.adapters.cache.redis import RedisCache
from soutu.domain.errors import Reason, SoutuError
from soutu.ports import Cache
from tests.contract.servers import server, url_of

WAIT_S = 0.1


@pytest.fixture
async def remote(redis: Running) -> AsyncIterator[RedisCache]:
    cache = RedisCache.connected(url_of(redis), expiry_s=60, wait_s=WAIT_S)
    await cache.clear()
    yield cache
    await cache.close()


@pytest.fixture(params=["memory", "redis"])
def cache(request: pytest.FixtureRequest) -> Cache:
    if request.param == "memory":
        return MemoryCache(100_000_000)
    found: Cache = request.getfixturevalue("remote")
    return found


@pytest.mark.parametrize("value", [b"", b"\0", b"x" * 5_000_000])
async def test_a_value_comes_back_as_it_was_put(cache: Cache, value: bytes) -> None:
    assert await cache.get(b"\xff key") is None
    await cache.put(b"\xff key", value)
    assert await cache.get(b"\xff key") == value
    assert await cache.get(b"\xff") is None


async def test_a_later_value_takes_the_place_of_an_earlier(cache: Cache) -> None:
    await cache.put(b"key", b"first")
    await cache.put(b"key", b"second")
    assert await cache.get(b"key") == b"second"


async def test_it_says_that_it_answers(cache: Cache) -> None:
    await cache.ping()
    await cache.put(b"key", b"value")
    assert await cache.get(b"key") == b"value"


@pytest.mark.parametrize(
    ("credentials", "sentence"), [("nobody:wrong@", "refuses us"), ("", "does not answer")]
)
async def test_a_redis_that_cannot_be_used_is_told_by_its_setting(
    redis: Running, credentials: str, sentence: str
) -> None:
    url = f"redis://{credentials}{url_of(redis).rpartition('/')[0].removeprefix('redis://')}"
    there = url if credentials else "redis://127.0.0.1:1"
    cache = RedisCache.connected(there, expiry_s=60, wait_s=WAIT_S)
    with pytest.raises(SoutuError, match=f"The Redis of cache.url {sentence}") as failure:
        await cache.ping()
    await cache.close()
    assert failure.value.reason is Reason.CACHE_UNAVAILABLE


async def test_after_clearing_there_is_nothing(cache: Cache) -> None:
    for number in range(2_500):
        await cache.put(b"%d" % number, b"x")
    assert all([await cache.get(b"%d" % number) == b"x" for number in range(2_500)])
    await cache.clear()
    assert [number for number in range(2_500) if await cache.get(b"%d" % number)] == []


# Redis alone


async def test_clearing_follows_what_was_put_just_now(remote: RedisCache, stranger: Redis) -> None:
    for number in range(2_500):
        await remote.put(b"%d" % number, b"x")
    await remote.clear()
    assert await stranger.keys("soutu:*") == []


async def test_what_one_process_puts_another_finds(remote: RedisCache, redis: Running) -> None:
    await remote.put(b"key", b"value")
    await remote.ping()  # it has been taken
    another = RedisCache.connected(url_of(redis), expiry_s=60, wait_s=WAIT_S)
    assert await another.get(b"key") == b"value"
    await another.close()


async def test_clearing_leaves_what_belongs_to_others(remote: RedisCache, stranger: Redis) -> None:
    await stranger.set(b"somebody's", b"value")
    await remote.put(b"key", b"value")
    await remote.clear()
    assert await stranger.get(b"somebody's") == b"value"


async def test_clearing_outlasts_a_redis_that_stands_still_for_a_while(
    remote: RedisCache, redis: Running
) -> None:
    await remote.put(b"key", b"value")
    os.kill(redis.pid, signal.SIGSTOP)
    try:
        clearing = asyncio.create_task(remote.clear())
        await asyncio.sleep(10 * WAIT_S)
        assert not clearing.done()
    finally:
        os.kill(redis.pid, signal.SIGCONT)
    await clearing
    assert await remote.get(b"key") is None


async def test_values_that_are_not_ours_are_passed_over(remote: RedisCache, stranger: Redis) -> None:
    await remote.put(b"cut", b"a longer value")
    await remote.ping()
    stored = await stranger.get(b"soutu:cut")
    assert isinstance(stored, bytes)
    for number, foreign in enumerate((b"", b"foreign", b"x" * 100, stored[:-1], stored + b"x")):
        await stranger.set(b"soutu:%d" % number, foreign)
        assert await remote.get(b"%d" % number) is None
    await stranger.lpush(b"soutu:list", b"value")
    assert await remote.get(b"list") is None


async def test_values_expire(redis: Running, stranger: Redis) -> None:
    cache = RedisCache.connected(url_of(redis), expiry_s=1.0, wait_s=WAIT_S)
    await cache.put(b"brief", b"value")
    await cache.ping()
    assert 0 < await stranger.pttl(b"soutu:brief") <= 1_000
    await asyncio.sleep(1.1)
    assert await cache.get(b"brief") is None
    await cache.close()


async def test_shortly_before_the_end_some_readers_and_not_all_make_it_anew(redis: Running) -> None:
    cache = RedisCache.connected(url_of(redis), expiry_s=0.3, wait_s=WAIT_S)
    found: set[bool] = set()
    for _ in range(20):
        await cache.put(b"hot", b"value")
        await asyncio.sleep(0.15)
        found |= {await cache.get(b"hot") is None for _ in range(10)}
    await cache.close()
    assert found == {True, False}


async def test_a_full_redis_lets_go_of_what_was_used_least(remote: RedisCache, stranger: Redis) -> None:
    await stranger.config_set("maxmemory", "20mb")
    try:
        for number in range(100):
            await remote.put(b"%d" % number, os.urandom(500_000))
        kept = [number for number in range(100) if await remote.get(b"%d" % number)]
        assert 0 < len(kept) < 100
        assert 99 in kept
    finally:
        await stranger.config_set("maxmemory", "256mb")


async def test_a_redis_that_takes_no_more_costs_no_error(remote: RedisCache, stranger: Redis) -> None:
    await stranger.config_set("maxmemory-policy", "noeviction")
    await stranger.config_set("maxmemory", "1")
    try:
        await remote.put(b"key", b"value")
        await remote.ping()
    finally:
        await stranger.config_set("maxmemory", "256mb")
        await stranger.config_set("maxmemory-policy", "allkeys-lru")
    before = (await stranger.info("stats"))["keyspace_misses"]
    assert await remote.get(b"key") is None
    assert (await stranger.info("stats"))["keyspace_misses"] == before  # it was refused, so Redis rests
    assert await stranger.get(b"soutu:key") is None


async def test_a_redis_that_stands_still_costs_its_wait_once_then_nothing(tmp_path: Path) -> None:
    with server("redis", tmp_path) as redis:
        cache = RedisCache.connected(url_of(redis), expiry_s=60, wait_s=WAIT_S)
        await cache.put(b"key", b"value")
        os.kill(redis.pid, signal.SIGSTOP)
        began = time.monotonic()
        assert await cache.get(b"key") is None
        assert time.monotonic() - began < 10 * WAIT_S
        began = time.monotonic()
        assert [await cache.get(b"key") for _ in range(100)] == 100 * [None]
        assert time.monotonic() - began < WAIT_S
        with pytest.raises(SoutuError) as failure:
            await cache.clear()
        assert failure.value.reason is Reason.CACHE_UNAVAILABLE
        os.kill(redis.pid, signal.SIGCONT)
        async with asyncio.timeout(10):
            while await cache.get(b"key") != b"value":
                await asyncio.sleep(0.05)
        await cache.close()


async def test_a_redis_that_is_not_there_costs_no_error_either() -> None:
    cache = RedisCache.connected("redis://127.0.0.1:1/0", expiry_s=60, wait_s=WAIT_S)
    await cache.put(b"key", b"value")
    assert await cache.get(b"key") is None
    await cache.close()

"""A cache that several processes share: Redis. Whatever happens to it costs speed, never an answer."""

import asyncio
import math
import random
import struct
import time
import zlib
from contextlib import suppress
from typing import Self

from redis.exceptions import AuthenticationError, RedisError, ResponseError

from soutu.adapters.breaker import Breaker
from soutu.adapters.cache.pipelined import PipelinedRedis, Reply
from soutu.domain.errors import Reason, SoutuError
from soutu.observe.logs import logger

_PREFIX = b"soutu:"
_HEAD = struct.Struct(">4sId")  # magic, CRC-32 of the value, when it expires in seconds since 1970
_MAGIC = b"stu1"
_REMAKING_S = 0.1  # what it takes to make a value anew, roughly
_SCANNED = 1_000
_CLEARED_AFTER_S = (0.2, 0.5, 1.0, 2.0)
_FIRST_REST_S, _LONGEST_REST_S = 0.5, 5.0
_log = logger(__name__)


class RedisCache:
    """The Cache port on a Redis that may be gone, slow, full, or hold what others put there.

    A read takes at most `wait_s`, and a write is not waited for; after one that failed, Redis is left alone
    for a while, longer each time. Values live for `expiry_s`, and shortly before the end a few of their
    readers are told that there is none, one of whom makes it anew before all need to (Vattani, Chierichetti,
    Lowenstein: Optimal Probabilistic Cache Stampede Prevention, VLDB 2015).
    """

    def __init__(self, redis: PipelinedRedis, expiry_s: float) -> None:
        self._redis = redis
        self._expiry_s = expiry_s
        self._breaker = Breaker(_FIRST_REST_S, _LONGEST_REST_S)

    @classmethod
    def connected(cls, url: str, *, expiry_s: float, wait_s: float) -> Self:
        """The cache at a URL such as redis://host:6379/0; connects when it is first asked."""
        return cls(PipelinedRedis.at(url, wait_s), expiry_s)

    async def get(self, key: bytes) -> bytes | None:
        """What was put under the key, if it can be had in time."""
        if self._breaker.open:
            return None
        try:
            stored = await self._redis.ask(b"GET", _PREFIX + key)
        except (RedisError, OSError) as error:
            self._failed(error)
            return None
        self._breaker.succeeded()
        return _opened(stored) if isinstance(stored, bytes) else None

    async def put(self, key: bytes, value: bytes) -> None:
        """Has the value kept, if Redis does its part. It is handed over when this returns: what this process
        asks later comes later."""
        if self._breaker.open:
            return
        sealed = _sealed(value, time.time() + self._expiry_s)
        life_ms = max(1, round(1_000 * self._expiry_s))
        try:
            kept = await self._redis.tell(b"SET", _PREFIX + key, sealed, b"PX", life_ms)
        except (RedisError, OSError) as error:
            self._failed(error)
            return
        kept.add_done_callback(self._replied)

    async def ping(self) -> None:
        """Returns if Redis answers, whether it rests just now or not; CACHE_UNAVAILABLE."""
        try:
            await self._redis.ask(b"PING")
        except (AuthenticationError, ResponseError) as error:
            sentence = "The Redis of cache.url refuses us: do user and password fit?"
            raise SoutuError(Reason.CACHE_UNAVAILABLE, sentence) from error
        except (RedisError, OSError) as error:
            sentence = "The Redis of cache.url does not answer."
            raise SoutuError(Reason.CACHE_UNAVAILABLE, sentence) from error

    async def clear(self) -> None:
        """Forgets all that is ours. Redis is asked again for a few seconds where it does not answer in time;
        CACHE_UNAVAILABLE where it cannot be made sure of even so."""
        for pause_s in _CLEARED_AFTER_S:
            with suppress(RedisError, OSError):
                await self._unlink_all()
                return
            await asyncio.sleep(pause_s)
        try:
            await self._unlink_all()
        except (RedisError, OSError) as error:
            raise SoutuError(Reason.CACHE_UNAVAILABLE) from error

    async def close(self) -> None:
        """Closes the connection, once what was put is there or the time for it is over."""
        await self._redis.close()

    async def _unlink_all(self) -> None:
        await self._redis.end_doubtful()  # a value that was put and is still on its way would come later
        cursor = b"0"
        while True:
            cursor, keys = await self._redis.ask(
                b"SCAN", cursor, b"MATCH", _PREFIX + b"*", b"COUNT", _SCANNED
            )
            if keys:
                await self._redis.ask(b"UNLINK", *keys)
            if cursor == b"0":
                return

    def _replied(self, kept: Reply) -> None:
        """What has become of a value that was put."""
        if not kept.cancelled() and (error := kept.exception()):
            self._failed(error)

    def _failed(self, error: BaseException) -> None:
        if self._breaker.open:  # it is known already
            return
        self._breaker.failed()
        _log.warning("the cache rests", seconds=self._breaker.rest_s, cause=type(error).__name__)


def _sealed(value: bytes, expires: float) -> bytes:
    return _HEAD.pack(_MAGIC, zlib.crc32(value), expires) + value


def _opened(stored: bytes) -> bytes | None:
    """The value that was sealed; None for anything else, and for a few shortly before it expires."""
    if len(stored) < _HEAD.size:
        return None
    magic, checksum, expires = _HEAD.unpack_from(stored)
    value = stored[_HEAD.size :]
    if magic != _MAGIC or checksum != zlib.crc32(value):
        return None
    ahead_s = -_REMAKING_S * math.log(1 - random.random())  # noqa: S311 (nobody gains by guessing it)
    return value if time.time() + ahead_s < expires else None

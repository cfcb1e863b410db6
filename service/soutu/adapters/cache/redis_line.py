"""One connection to Redis, over which commands go as they come: none waits for the answers to others.

redis-py takes a connection of its pool for each command and looks first whether it is fit; on the event loop
that is most of what a command costs. As Redis answers in the order of what it was asked, neither is needed.
"""

import asyncio
import math
from collections import deque
from contextlib import suppress
from typing import Any

from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as LostError
from redis.exceptions import RedisError, ResponseError

_MOST_WAITING = 1_000


class RedisLine:
    """Connects when something is sent, and anew after a connection was lost or hung up."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._talk: _Talk | None = None
        self._connecting = asyncio.Lock()

    async def send(self, *command: bytes | str | int) -> "asyncio.Future[Any]":
        """Sends a command, and returns before it is answered: a future of Redis's answer, or of a RedisError.
        RedisError or OSError where it cannot be sent."""
        talk = self._talk
        if talk is None or not talk.alive:
            talk = await self._connected()
        return await talk.send(command)

    def hang_up(self) -> None:
        """Ends the connection, for whoever still waits for an answer, too: ConnectionError."""
        if self._talk:
            self._talk.hang_up()

    async def close(self) -> None:
        """Ends the connection once everything that was sent is answered, or cannot be any more."""
        if self._talk:
            await self._talk.close()

    async def _connected(self) -> "_Talk":
        async with self._connecting:
            if self._talk is None or not self._talk.alive:
                connection = self._pool.make_connection()  # type: ignore[no-untyped-call]  # the library's
                await connection.connect()
                self._talk = _Talk(connection)
            return self._talk


class _Talk:
    """A connection, from when it is open until it is lost or hung up."""

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection = connection
        self._unanswered: deque[asyncio.Future[Any]] = deque()
        self._ended = False
        self._hearing = asyncio.create_task(self._hear())

    @property
    def alive(self) -> bool:
        """Whether something may be sent: a connection that redis-py has closed it would open again."""
        return not self._ended and self._connection.is_connected

    async def send(self, command: tuple[bytes | str | int, ...]) -> "asyncio.Future[Any]":
        if len(self._unanswered) >= _MOST_WAITING:
            self.hang_up()
            raise LostError("Redis answers no more.")
        answer = asyncio.get_running_loop().create_future()
        packed = self._connection.pack_command(*command)
        self._unanswered.append(answer)  # sent in this order: nothing is awaited before it is written
        await self._connection.send_packed_command(packed, check_health=False)
        return answer

    def hang_up(self) -> None:
        self._ended = True
        self._hearing.cancel()

    async def close(self) -> None:
        if self._unanswered:
            await asyncio.wait(self._unanswered)
        self.hang_up()
        await asyncio.gather(self._hearing, return_exceptions=True)

    async def _hear(self) -> None:
        """Hands out the answers; those that do not come any more are a ConnectionError."""
        try:
            while True:
                answer = await self._heard()
                _tell(self._unanswered.popleft(), answer)
        except (RedisError, OSError):
            pass  # those who wait are told
        finally:
            self._ended = True
            with suppress(RedisError, OSError):
                await self._connection.disconnect(nowait=True)
            for waiting in self._unanswered:
                _tell(waiting, LostError("The connection to Redis was lost."))

    async def _heard(self) -> Any:
        try:
            return await self._connection.read_response(
                disable_decoding=True, timeout=math.inf, disconnect_on_error=False
            )
        except ResponseError as refusal:
            return refusal


def _tell(waiting: "asyncio.Future[Any]", answer: Any) -> None:
    if waiting.done():  # whoever asked has gone
        return
    if isinstance(answer, RedisError):
        waiting.set_exception(answer)
    else:
        waiting.set_result(answer)

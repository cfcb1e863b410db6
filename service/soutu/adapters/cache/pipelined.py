"""One connection to Redis over which commands are pipelined: none waits for the replies to others.

redis-py takes a connection of its pool for each command and looks first whether it is fit; on the event loop
that is most of what a command costs. As Redis replies in the order of what it was asked, neither is needed.
"""

import asyncio
import math
from collections import deque
from contextlib import suppress
from typing import Any, Self

from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as LostError
from redis.exceptions import RedisError, ResponseError

Reply = asyncio.Future[Any]
Word = bytes | str | int
_DOUBTFUL = 64


class PipelinedRedis:
    """Connects when something is sent, and anew after a connection was lost or given up. A command may take
    `wait_s`, and waits while `most_pending` others have no reply; TimeoutError."""

    def __init__(self, connections: ConnectionPool, wait_s: float, most_pending: int) -> None:
        self._connections = connections
        self._wait_s = wait_s
        self._most_pending = most_pending
        self._connection: _Connection | None = None
        self._connecting = asyncio.Lock()
        self._doubtful: deque[int] = deque(maxlen=_DOUBTFUL)  # ended before everything had its reply

    @classmethod
    def at(cls, url: str, wait_s: float, most_pending: int = 1_000) -> Self:
        """The Redis at a URL such as redis://host:6379/0, whose other arguments are redis-py's."""
        connections = ConnectionPool.from_url(url, protocol=2, retry=Retry(NoBackoff(), 0))
        connections.connection_kwargs["socket_timeout"] = None  # it would be a task for each command
        return cls(connections, wait_s, most_pending)

    async def ask(self, *command: Word) -> Any:
        """The reply to a command; RedisError, OSError. Where it does not come in time the connection is given
        up, as it may be lost unnoticed: a ConnectionError for all whose replies are pending."""
        connection = None
        try:
            async with asyncio.timeout(self._wait_s):
                connection = await self._free()
                return await (await connection.send(command))
        except TimeoutError:
            silent = connection or self._full_one()
            if silent:
                silent.end()
            raise

    async def tell(self, *command: Word) -> Reply:
        """Sends a command, and returns before it is replied to: a future of the reply, or of a RedisError.
        RedisError or OSError where it cannot be sent."""
        async with asyncio.timeout(self._wait_s):
            return await (await self._free()).send(command)

    async def end_doubtful(self) -> None:
        """Has Redis end connections that were given up: what went over them it might else still do later."""
        await self.ask(b"PING")  # over the connection that holds now
        for number in list(self._doubtful):
            await self.ask(b"CLIENT", b"KILL", b"ID", number)
            with suppress(ValueError):  # another has done so meanwhile
                self._doubtful.remove(number)

    async def close(self) -> None:
        """Closes the connection once everything that was sent has its reply, or the time for it is over."""
        if self._connection:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._wait_s):
                    await self._connection.settled()
            await self._connection.close()

    async def _free(self) -> "_Connection":
        """The connection, once a command may be sent over it."""
        while True:
            if self._connection is None or not self._connection.alive:
                await self._connect()
            elif full := self._full_one():
                await full.next_reply()
            else:
                return self._connection

    def _full_one(self) -> "_Connection | None":
        """The connection where it takes no more commands before it replies."""
        connection = self._connection
        return connection if connection and connection.pending >= self._most_pending else None

    async def _connect(self) -> None:
        async with self._connecting:
            former = self._connection
            if former and former.alive:
                return
            if former and former.doubtful:
                self._doubtful.append(former.number)
            self._connection = None
            made = self._connections.make_connection()  # type: ignore[no-untyped-call]  # the library's
            await made.connect()
            self._connection = await _Connection.of(made)
            if self._doubtful and 0 < self._connection.number <= max(self._doubtful):
                self._doubtful.clear()  # Redis counts anew: it was started again, and they are gone


class _Connection:
    """A connection from when it is open to when it is lost or ended. `number` is Redis's own for it; 0 where
    it does not tell."""

    def __init__(self, connection: AbstractConnection) -> None:
        self.number = 0
        self._connection = connection
        self._pending: deque[Reply] = deque()
        self._ended = False
        self._unsettled = False
        self._moved = asyncio.Event()  # set whenever one more command has its reply
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def of(cls, connection: AbstractConnection) -> Self:
        opened = cls(connection)
        try:
            with suppress(ResponseError):  # not everybody may ask
                opened.number = await (await opened.send((b"CLIENT", b"ID")))
        except BaseException:
            opened.end()
            raise
        return opened

    @property
    def alive(self) -> bool:
        """Whether something may be sent: a connection that redis-py has closed it would open again."""
        return not self._ended and self._connection.is_connected

    @property
    def pending(self) -> int:
        """How many commands have no reply yet."""
        return len(self._pending)

    @property
    def doubtful(self) -> bool:
        """Whether it ended before everything had its reply."""
        return self._unsettled and self.number > 0

    async def send(self, command: tuple[Word, ...]) -> Reply:
        reply: Reply = asyncio.get_running_loop().create_future()
        packed = self._connection.pack_command(*command)
        self._pending.append(reply)  # in the order of sending: nothing is awaited before it is written
        try:
            await self._connection.send_packed_command(packed, check_health=False)
        except BaseException:
            self.end()
            if reply.done() and not reply.cancelled():
                reply.exception()  # what is raised says it
            raise
        return reply

    async def next_reply(self) -> None:
        """Returns once one more command has its reply, or cannot have it any more."""
        self._moved.clear()
        await self._moved.wait()

    async def settled(self) -> None:
        """Returns once all have."""
        if self._pending:
            await asyncio.wait(self._pending)

    def end(self) -> None:
        """Tells all whose replies are pending that there will be none."""
        self._end()
        self._reading.cancel()

    async def close(self) -> None:
        self.end()
        await asyncio.gather(self._reading, return_exceptions=True)

    def _end(self) -> None:
        self._ended = True
        self._unsettled = self._unsettled or bool(self._pending)
        while self._pending:
            _resolve(self._pending.popleft(), LostError("The connection to Redis was lost."))
        self._moved.set()

    async def _read(self) -> None:
        try:
            while True:
                reply = await self._read_reply()
                if not self._pending:
                    return  # nobody has asked for that: it is not known what is whose any more
                _resolve(self._pending.popleft(), reply)
                self._moved.set()
        except (RedisError, OSError, ValueError):
            pass  # those who wait are told
        finally:
            self._end()
            with suppress(RedisError, OSError):
                await self._connection.disconnect(nowait=True)

    async def _read_reply(self) -> Any:
        try:
            return await self._connection.read_response(
                disable_decoding=True, timeout=math.inf, disconnect_on_error=False
            )
        except ResponseError as refusal:
            return refusal


def _resolve(reply: Reply, outcome: Any) -> None:
    if reply.done():  # whoever asked has gone
        return
    if isinstance(outcome, RedisError):
        reply.set_exception(outcome)
    else:
        reply.set_result(outcome)

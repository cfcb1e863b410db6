"""How single SELECTs are run beside the writer."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from sqlalchemy import Engine, Executable, Row
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

Parameters = Mapping[str, object] | None


class Reads(Protocol):
    """Runs SELECTs, each of which is a consistent view by itself."""

    async def rows(self, statement: Executable, parameters: Parameters) -> Sequence[Row[Any]]:
        """All rows; raises the driver's errors."""
        ...

    async def close(self) -> None:
        """Closes the connections."""
        ...


class ThreadReads:
    """Reads on an engine that blocks, each in one go on one of a few threads.

    An asynchronous SQLite driver hands every step (cursor, execute, fetch, close) to a thread and back; for
    the short reads of a search these hand-overs cost more than the reading.
    """

    def __init__(self, engine: Engine, threads: int) -> None:
        self._engine = engine
        self._threads = ThreadPoolExecutor(threads, "catalogue-read")

    async def rows(self, statement: Executable, parameters: Parameters) -> Sequence[Row[Any]]:
        """As Reads. A cancelled read goes on in its thread, unheard."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._rows, statement, parameters)

    async def close(self) -> None:
        """Waits for the reads under way."""
        await asyncio.to_thread(self._threads.shutdown)
        self._engine.dispose()

    def _rows(self, statement: Executable, parameters: Parameters) -> Sequence[Row[Any]]:
        with self._engine.connect() as connection:
            return connection.execute(statement, parameters).all()


class PooledReads:
    """Reads on connections of a server, each for `wait_s` at the most.

    A connection that was lost since it was used last is noticed by the first read on it, which is then run
    again on a new one: that costs nothing as long as none is lost.
    """

    def __init__(self, engine: AsyncEngine, wait_s: float) -> None:
        self._engine = engine
        self._wait_s = wait_s
        self._under_way: set[asyncio.Task[Sequence[Row[Any]]]] = set()

    async def rows(self, statement: Executable, parameters: Parameters) -> Sequence[Row[Any]]:
        """As Reads; TimeoutError. A cancelled read goes on, unheard: its connection stays in order."""
        task = asyncio.create_task(self._rows(statement, parameters))
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Waits for the reads under way."""
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self._engine.dispose()

    async def _rows(self, statement: Executable, parameters: Parameters) -> Sequence[Row[Any]]:
        async with asyncio.timeout(self._wait_s):
            try:
                return await self._read(statement, parameters)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
            return await self._read(statement, parameters)

    async def _read(self, statement: Executable, parameters: Parameters) -> Sequence[Row[Any]]:
        async with self._engine.connect() as connection:
            return (await connection.execute(statement, parameters)).all()

    def _ended(self, task: asyncio.Task[Sequence[Row[Any]]]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # taken note of here, in case the caller is gone

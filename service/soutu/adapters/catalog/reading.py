"""How single SELECTs are run beside the writer."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import Engine, Executable, Row, Select
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from soutu.adapters.catalog.quick import QuickReads  # its driver may not be there

Parameters = Mapping[str, object] | None


class Reads(Protocol):
    """Runs SELECTs, each of which is a consistent view by itself."""

    async def rows(self, statement: Executable, parameters: Parameters) -> Sequence[Row[Any]]:
        """All rows; raises the driver's errors."""
        ...

    async def short_rows(
        self, statement: Select[Any], parameters: Mapping[str, object]
    ) -> Sequence[Sequence[Any]]:
        """As `rows`, for a statement that is made once and reads little each time."""
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

    async def short_rows(
        self, statement: Select[Any], parameters: Mapping[str, object]
    ) -> Sequence[Sequence[Any]]:
        """As `rows`."""
        return await self.rows(statement, parameters)

    async def close(self) -> None:
        """Waits for the reads under way."""
        await asyncio.to_thread(self._threads.shutdown)
        self._engine.dispose()

    def _rows(self, statement: Executable, parameters: Parameters) -> Sequence[Row[Any]]:
        with self._engine.connect() as connection:
            return connection.execute(statement, parameters).all()


class ServerReads(ThreadReads):
    """As ThreadReads, on connections to a server, but for short reads, which are `quick`.

    A connection that was lost since it was used last is noticed by the first read on it, which is then run
    again on a new one: that costs nothing as long as none is lost. One that has been waited for in vain for
    `wait_s`, as its engine is to be told, is not tried again.
    """

    def __init__(self, engine: Engine, threads: int, wait_s: float, quick: "QuickReads") -> None:
        super().__init__(engine, threads)
        self._wait_s = wait_s
        self._quick = quick

    async def short_rows(
        self, statement: Select[Any], parameters: Mapping[str, object]
    ) -> Sequence[Sequence[Any]]:
        """As Reads."""
        return await self._quick.rows(statement, parameters)

    async def close(self) -> None:
        """As Reads."""
        await self._quick.close()
        await super().close()

    def _rows(self, statement: Executable, parameters: Parameters) -> Sequence[Row[Any]]:
        begun_s = time.monotonic()
        try:
            return super()._rows(statement, parameters)
        except DBAPIError as error:
            if not error.connection_invalidated or time.monotonic() - begun_s > self._wait_s / 2:
                raise
        return super()._rows(statement, parameters)

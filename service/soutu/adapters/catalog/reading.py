"""How single SELECTs are run beside the writer."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from sqlalchemy import Engine, Executable, Row

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

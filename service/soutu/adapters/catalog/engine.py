"""Reading and writing transactions, whatever the database."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from sqlalchemy import URL, Executable, Row
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from soutu.adapters.catalog.memory import RowMemory
from soutu.adapters.catalog.reading import Reads
from soutu.domain.errors import Reason, SoutuError

T = TypeVar("T")
Explain = Callable[[BaseException | None], str]
Work = Callable[[AsyncConnection], Awaitable[T]]


class Database:
    """One database: connections that read, and one connection that writes.

    `explain` turns the driver's own exception into a sentence for the reader. `memory` is there where nobody
    else writes to it; `written` counts the transactions that have ended here. Every method raises
    CATALOG_UNAVAILABLE when the database cannot do its part.
    """

    def __init__(self, reads: Reads, writer: AsyncEngine, explain: Explain, memory: RowMemory | None) -> None:
        self.memory = memory
        self.written = 0
        self._reads = reads
        self._writer = writer
        self._explain = explain
        self._turn = asyncio.Lock()

    @property
    def url(self) -> URL:
        """Where the database is."""
        return self._writer.url

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turns the driver's errors into CATALOG_UNAVAILABLE, for those that use the driver itself."""
        try:
            yield
        except self._writer.dialect.loaded_dbapi.Error as error:
            raise SoutuError(Reason.CATALOG_UNAVAILABLE, self._explain(error)) from error

    async def rows(
        self, statement: Executable, parameters: Mapping[str, object] | None = None
    ) -> Sequence[tuple[Any, ...]]:
        """All rows of one SELECT: a single statement is a consistent view by itself."""
        return await self._read(statement, parameters)

    async def mappings(self, statement: Executable) -> Sequence[Mapping[str, Any]]:
        """As `rows`, each row by column names."""
        return [cast(Mapping[str, Any], row._mapping) for row in await self._read(statement)]

    async def write(self, work: Work[T], ended: Callable[[], None] | None = None) -> T:
        """What `work` returns, once everything it did in its one transaction is durable.

        Writes take turns. One that has begun ends by itself: a cancelled caller leaves it either wholly
        committed or rolled back, and the connection in order. `ended` is called as soon as it has ended, well
        or not.
        """
        await self._turn.acquire()
        task = asyncio.create_task(self._transaction(work))
        task.add_done_callback(self._end_turn)
        if ended:
            task.add_done_callback(lambda _: ended())
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Waits for the write under way and closes every connection."""
        async with self._turn:
            await self._reads.close()
            await self._writer.dispose()

    async def _read(
        self, statement: Executable, parameters: Mapping[str, object] | None = None
    ) -> Sequence[Row[Any]]:
        with self._translated():
            return await self._reads.rows(statement, parameters)

    async def _transaction(self, work: Work[T]) -> T:
        with self._translated():
            async with self._writer.begin() as connection:
                return await work(connection)

    def _end_turn(self, task: asyncio.Task[Any]) -> None:
        self.written += 1
        self._turn.release()
        if not task.cancelled():
            task.exception()  # taken note of here, in case the caller is gone

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise SoutuError(Reason.CATALOG_UNAVAILABLE, self._explain(error.orig)) from error
        except PoolTimeout as error:
            message = "Every connection of the catalogue is in use; retry in a moment."
            raise SoutuError(Reason.CATALOG_UNAVAILABLE, message) from error

"""Reading and writing transactions, whatever the database."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeVar, cast

from sqlalchemy import URL, Executable, Row, Select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from soutu.adapters.catalog.memory import RowMemory
from soutu.adapters.catalog.reading import Reads
from soutu.domain.errors import Reason, SoutuError

T = TypeVar("T")
Work = Callable[[AsyncConnection], Awaitable[T]]
_TRIES = 4
_PAUSE_S = 0.02  # after the first try, and twice as long after each further one, by lot


@dataclass(frozen=True, slots=True)
class Ways:
    """What is a database's own. `explain` turns the driver's exception into a sentence for the reader;
    `undone` says which of them leave nothing of a transaction that may succeed when it is run again;
    `writers` transactions run at a time, each for `wait_s` at the most."""

    explain: Callable[[BaseException | None], str]
    undone: Callable[[BaseException | None], bool]
    writers: int = 1
    wait_s: float | None = None


class Database:
    """One database: connections that read, and connections that write.

    `written` counts the transactions that have ended here. Where it is `shared`, other processes write to it,
    too, so what is remembered of it has to be caught up with them before it is used.
    Every method raises CATALOG_UNAVAILABLE when the database cannot do its part.
    """

    def __init__(
        self, reads: Reads, writer: AsyncEngine, ways: Ways, memory: RowMemory, *, shared: bool
    ) -> None:
        self.memory = memory
        self.shared = shared
        self.written = 0
        self._reads = reads
        self._writer = writer
        self._ways = ways
        self._turns = asyncio.Semaphore(ways.writers)

    @property
    def url(self) -> URL:
        """Where the database is."""
        return self._writer.url

    @property
    def writers(self) -> int:
        """How many transactions write at a time."""
        return self._ways.writers

    @property
    def is_file(self) -> bool:
        """Whether it is a file of this process, and no server's."""
        return self.url.get_backend_name() == "sqlite"

    async def rows(
        self, statement: Executable, parameters: Mapping[str, object] | None = None
    ) -> Sequence[tuple[Any, ...]]:
        """All rows of one SELECT: a single statement is a consistent view by itself."""
        return await self._read(statement, parameters)

    async def short_rows(
        self, statement: Select[Any], parameters: Mapping[str, object]
    ) -> Sequence[Sequence[Any]]:
        """As `rows`, for a statement that is made once and reads little each time: what every search asks."""
        with self.translated():
            return await self._reads.short_rows(statement, parameters)

    async def mappings(
        self, statement: Executable, parameters: Mapping[str, object] | None = None
    ) -> Sequence[Mapping[str, Any]]:
        """As `rows`, each row by column names."""
        return [cast(Mapping[str, Any], row._mapping) for row in await self._read(statement, parameters)]

    async def write(self, work: Work[T], ended: Callable[[], None] | None = None) -> T:
        """What `work` returns, once everything it did in its one transaction is durable. Where the database
        has undone the transaction, `work` is run again.

        Writes take turns. One that has begun ends by itself: a cancelled caller leaves it either wholly
        committed or rolled back, and the connection in order. `ended` is called as soon as it has ended, well
        or not.
        """
        await self._turns.acquire()
        task = asyncio.create_task(self._transaction(work))
        task.add_done_callback(self._end_turn)
        if ended:
            task.add_done_callback(lambda _: ended())
        return await asyncio.shield(task)

    async def alter(self, work: Work[None]) -> None:
        """Does `work` in one transaction, however long it takes: for changes of the schema."""
        with self.translated():
            async with self._writer.connect() as connection:
                await work(connection)
                await connection.commit()

    async def close(self) -> None:
        """Waits for the writes under way and closes every connection."""
        for _ in range(self._ways.writers):
            await self._turns.acquire()
        await self._reads.close()
        await self._writer.dispose()

    async def _read(
        self, statement: Executable, parameters: Mapping[str, object] | None = None
    ) -> Sequence[Row[Any]]:
        with self.translated():
            return await self._reads.rows(statement, parameters)

    async def _transaction(self, work: Work[T]) -> T:
        with self.translated():
            for turn in count(1):
                attempt = _Attempt(self._writer, self._ways.wait_s)
                try:
                    return await attempt.run(work)
                except DBAPIError as error:
                    lost_early = error.connection_invalidated and not attempt.committing
                    if turn == _TRIES or not (lost_early or self._ways.undone(error.orig)):
                        raise
                await asyncio.sleep(_PAUSE_S * 2**turn * random.random())  # noqa: S311 (so that they part)
        raise AssertionError("the last try returns or raises")

    def _end_turn(self, task: asyncio.Task[Any]) -> None:
        self.written += 1
        self._turns.release()
        if not task.cancelled():
            task.exception()  # taken note of here, in case the caller is gone

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turns SQLAlchemy's and the driver's own errors into CATALOG_UNAVAILABLE."""
        try:
            yield
        except self._writer.dialect.loaded_dbapi.Error as error:
            raise SoutuError(Reason.CATALOG_UNAVAILABLE, self._ways.explain(error)) from error
        except DBAPIError as error:
            raise SoutuError(Reason.CATALOG_UNAVAILABLE, self._ways.explain(error.orig)) from error
        except PoolTimeout as error:
            message = "Every connection of the catalogue is in use; retry in a moment."
            raise SoutuError(Reason.CATALOG_UNAVAILABLE, message) from error
        except TimeoutError as error:
            message = "The catalogue's database does not answer in time (catalog.wait_s)."
            raise SoutuError(Reason.CATALOG_UNAVAILABLE, message) from error


class _Attempt:
    """One try of a transaction. Once it is `committing`, a lost connection leaves open what became of it."""

    def __init__(self, engine: AsyncEngine, wait_s: float | None) -> None:
        self.committing = False
        self._engine = engine
        self._wait_s = wait_s

    async def run(self, work: Work[T]) -> T:
        async with asyncio.timeout(self._wait_s), self._engine.connect() as connection:
            done = await work(connection)
            self.committing = True
            await connection.commit()
            return done

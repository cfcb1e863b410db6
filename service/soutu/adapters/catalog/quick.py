"""The short reads of every search on a MySQL server: aiomysql on the loop, SQLAlchemy for the statement.

On the loop a read of a few rows takes half of what it takes on a thread, and a quarter of what SQLAlchemy's
asynchronous engine makes of it, by which every step changes stacks.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pymysql.err import Error, OperationalError
from sqlalchemy import Dialect, Select

from soutu.adapters.catalog.mysql_connection import MendedConnection

Connect = Callable[[], Awaitable[MendedConnection]]
_LENGTHS_KEPT = 64


class QuickReads:
    """Runs SELECTs that are made once, each by itself, over up to `size` connections that are kept for
    `recycle_s`; a read takes `wait_s` at the most, waiting for a connection included.

    A connection that was lost since it was used last is noticed by the first read on it, which then takes
    another: that costs nothing as long as none is lost.
    """

    def __init__(
        self, dialect: Dialect, connect: Connect, *, size: int, recycle_s: float, wait_s: float
    ) -> None:
        self._dialect = dialect
        self._connect = connect
        self._recycle_s = recycle_s
        self._wait_s = wait_s
        self._idle: list[MendedConnection] = []
        self._turns = asyncio.Semaphore(size)
        self._prepared: dict[Select[Any], _Prepared] = {}

    async def rows(self, statement: Select[Any], parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """All rows; raises the driver's errors, and TimeoutError."""
        prepared = self._prepared.get(statement)
        if prepared is None:
            prepared = self._prepared[statement] = _Prepared(statement, self._dialect)
        sql, bound = prepared.bound(parameters)
        async with asyncio.timeout(self._wait_s), self._turns:
            return prepared.values(await self._fetched(sql, bound))

    async def close(self) -> None:
        """Closes the connections."""
        for connection in self._idle:
            with suppress(Error, OSError):
                await connection.ensure_closed()
        self._idle.clear()

    async def _fetched(self, sql: str, bound: Sequence[object]) -> Sequence[Sequence[Any]]:
        while self._idle:
            connection = self._idle.pop()
            try:
                if not self._is_old(connection):
                    return await self._asked(connection, sql, bound)
            except OperationalError:
                if not connection.was_lost:
                    raise
            connection.close()
        return await self._asked(await self._connect(), sql, bound)

    def _is_old(self, connection: MendedConnection) -> bool:
        return bool(asyncio.get_running_loop().time() > connection.connected_time + self._recycle_s)

    async def _asked(
        self, connection: MendedConnection, sql: str, bound: Sequence[object]
    ) -> Sequence[Sequence[Any]]:
        """The connection is kept unless something went wrong on it."""
        try:
            async with connection.cursor() as cursor:
                await cursor.execute(sql, bound)
                fetched: Sequence[Sequence[Any]] = await cursor.fetchall()
        except BaseException:
            connection.give_up()
            raise
        self._idle.append(connection)
        return fetched


class _Prepared:
    """A statement in the server's language, made once for each length of its lists."""

    def __init__(self, statement: Select[Any], dialect: Dialect) -> None:
        self._compiled = statement.compile(dialect=dialect)
        self._constants = {name: value for name, value in self._compiled.params.items() if value is not None}
        self._lists = sorted(each.key for each in self._compiled.bind_names if each.expanding)
        self._expanded: dict[tuple[int, ...], _Expanded] = {}
        kinds = [column.type.dialect_impl(dialect) for column in statement.selected_columns]
        readers = [kind.result_processor(dialect, None) for kind in kinds]
        self._readers = [(place, reader) for place, reader in enumerate(readers) if reader]

    def bound(self, parameters: Mapping[str, Any]) -> tuple[str, Sequence[object]]:
        """The statement with its lists in, and the values in the order of their places."""
        lengths = tuple(len(parameters[name]) for name in self._lists)
        expanded = self._expanded.get(lengths)
        if expanded is None:
            if len(self._expanded) == _LENGTHS_KEPT:
                self._expanded.clear()
            expanded = self._expanded[lengths] = self._expand(parameters)
        given = {**self._constants, **parameters}
        values = [given[name] if nth is None else given[name][nth] for name, nth in expanded.places]
        return expanded.sql, values

    def _expand(self, parameters: Mapping[str, Any]) -> "_Expanded":
        state = self._compiled.construct_expanded_state(dict(parameters))
        within: dict[str, tuple[str, int | None]] = {
            single: (name, nth)
            for name, singles in state.parameter_expansion.items()
            for nth, single in enumerate(singles)
        }
        return _Expanded(
            state.statement, [within.get(each, (each, None)) for each in state.positiontup or ()]
        )

    def values(self, rows: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
        """The rows with their values as the statement's types have them."""
        return [self._row(row) for row in rows]

    def _row(self, row: Sequence[Any]) -> tuple[Any, ...]:
        values = list(row)
        for place, reader in self._readers:
            values[place] = reader(values[place])
        return tuple(values)


@dataclass(frozen=True, slots=True)
class _Expanded:
    """A statement for lists of certain lengths, and the parameter that is bound at each place: its name, and
    the place in it where it is a list."""

    sql: str
    places: Sequence[tuple[str, int | None]]

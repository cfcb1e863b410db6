"""An index that several processes share, in a table: as much of a VectorIndex as followers use."""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, text

from soutu.domain.collection import IndexSpec
from soutu.domain.query import Point
from tests.contract.databases import connected

T = TypeVar("T")
_MAKE = (
    "CREATE TABLE IF NOT EXISTS points"
    " (generation BIGINT, uid BIGINT, revision BIGINT, PRIMARY KEY (generation, uid))"
)
_PUT = "REPLACE INTO points VALUES (:generation, :uid, :revision)"
_REMOVE = "DELETE FROM points WHERE generation = :generation AND uid = :uid"
_ENTRIES = (
    "SELECT uid, revision FROM points WHERE generation = :generation AND uid > :after ORDER BY uid LIMIT :n"
)


class TableIndex:
    """The points of all generations. Each write dawdles on its way, by lot: a process that is stopped is
    often stopped there, and its write arrives when others have gone on."""

    def __init__(self, url: str, dawdle_s: float) -> None:
        self._url = url
        self._dawdle_s = dawdle_s

    async def open(self, generation: int, dimension: int, spec: IndexSpec) -> bool:
        def make(connection: Connection) -> bool:
            connection.execute(text(_MAKE))
            return bool(connection.execute(text(_ENTRIES), _after(generation, 0, 1)).all())

        return await self._run(make)

    async def write(self, generation: int, points: Sequence[Point], gone: Sequence[int]) -> None:
        await asyncio.sleep(self._dawdle_s * random.random())

        def put(connection: Connection) -> None:
            for point in points:
                row = {"generation": generation, "uid": point.uid, "revision": point.revision}
                connection.execute(text(_PUT), row)
            for uid in gone:
                connection.execute(text(_REMOVE), {"generation": generation, "uid": uid})

        await self._run(put)

    async def persist(self, generation: int) -> None:
        """Every statement is durable."""

    async def optimize(self, generation: int) -> None:
        """There is nothing to build."""

    async def entries(self, generation: int, after: int, limit: int) -> Sequence[tuple[int, int]]:
        def read(connection: Connection) -> list[tuple[int, int]]:
            rows: Any = connection.execute(text(_ENTRIES), _after(generation, after, limit))
            return [(uid, revision) for uid, revision in rows]

        return await self._run(read)

    async def kept(self) -> Sequence[int]:
        return []

    async def drop(self, generation: int) -> None:
        await self._run(
            lambda connection: connection.execute(
                text("DELETE FROM points WHERE generation = :n"), {"n": generation}
            )
        )

    async def _run(self, work: Callable[[Connection], T]) -> T:
        def run() -> T:
            with connected(self._url) as connection:
                return work(connection)

        return await asyncio.to_thread(run)


def _after(generation: int, after: int, limit: int) -> dict[str, int]:
    return {"generation": generation, "after": after, "n": limit}

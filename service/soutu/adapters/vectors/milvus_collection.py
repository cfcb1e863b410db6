"""The Milvus collection of one generation: made, loaded, written to, counted, listed, built."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from pymilvus import AsyncMilvusClient
from pymilvus.client.ts_utils import get_collection_ts

from soutu.adapters.vectors.checks import checked_dimension
from soutu.adapters.vectors.milvus_errors import (
    CollectionGoneError,
    CollectionUnloadedError,
    MilvusComingUpError,
)
from soutu.adapters.vectors.milvus_filter import EVERY, NONE, among
from soutu.adapters.vectors.milvus_freshness import Freshness, after
from soutu.adapters.vectors.milvus_plan import Plan
from soutu.adapters.vectors.milvus_quick import Asked, Hits
from soutu.adapters.vectors.milvus_rows import requests_of, schema_of
from soutu.adapters.vectors.milvus_server import ONCE, MilvusServer
from soutu.domain.query import Point

INDEX = "nearest"
LISTED = 16_384  # Milvus lists no more rows at a time
_LOOK_S = 0.1
_LOAD_S = 120.0  # Milvus may have to fetch all of it from its store
_Answer = TypeVar("_Answer")


class MilvusCollection:
    """A generation's points in the collection `name`. Writes take effect in the order of calls, also those
    whose callers gave up."""

    def __init__(self, server: MilvusServer, name: str, plan: Plan) -> None:
        self.name = name
        self.plan = plan
        self._server = server
        self._freshness = Freshness(_now())
        self._writing = asyncio.Lock()
        self._loading: asyncio.Task[None] | None = None

    async def open(self) -> bool:
        """Makes what is missing of collection and index and loads it. Whether it has points; one that other
        vectors lie in, or of another form, is made anew."""
        if not await self._server.asked(lambda client: client.has_collection(self.name, **ONCE)):
            await self._create()
        elif not await self._fits():
            await self.drop()
            await self._create()
        await self._index()
        await self.load()
        return await self.count() > 0

    async def load(self) -> None:
        """Has Milvus hold it ready to be searched. Callers share one loading."""
        await asyncio.shield(self._being_loaded())

    async def drop(self) -> None:
        """Drops it, if it is there."""
        await self._server.asked(lambda client: client.drop_collection(self.name, **ONCE))

    async def write(self, points: Sequence[Point], gone: Sequence[int]) -> None:
        """Upserts, then deletes; searches see it when this returns. VECTOR_INVALID, and nothing written."""
        for point in points:
            checked_dimension(point.vector, self.plan.dimension)
        writing = asyncio.create_task(self._write(points, gone))
        writing.add_done_callback(lambda done: done.cancelled() or done.exception())  # the caller may be gone
        await asyncio.shield(writing)

    def told(self, revision: int) -> None:
        """The index has followed up to this revision, whoever wrote that: reads from now on see it."""
        self._freshness.told(revision, _now())

    async def count(self, condition: str = EVERY) -> int:
        """How many points satisfy the condition."""
        found = await self.read(
            lambda client, level: client.query(
                self.name, filter=condition, output_fields=["count(*)"], **level, **ONCE
            )
        )
        return int(found[0]["count(*)"])

    async def rows(
        self, condition: str, after_uid: int, limit: int, fields: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Up to `limit` rows beyond a uid that satisfy the condition, by uid."""
        beyond = f"uid > {after_uid}" + (f" and {condition}" if condition else "")
        found = await self.read(
            lambda client, level: client.query(
                self.name,
                filter=beyond,
                output_fields=["uid", *fields],
                limit=min(limit, LISTED),
                strict_float32=True,
                **level,
                **ONCE,
            )
        )
        return sorted(found, key=lambda row: int(row["uid"]))

    async def read(self, query: Callable[[AsyncMilvusClient, dict[str, Any]], Awaitable[_Answer]]) -> _Answer:
        """What a query answers that is as fresh as it must be. Where the collection is not loaded it is
        INDEX_UNREADY, and is loaded meanwhile."""
        level = self._freshness.level(_now())
        try:
            return await self._server.asked(lambda client: query(client, level))
        except CollectionUnloadedError:
            self._being_loaded()
            raise

    async def found(self, asked: Asked) -> list[Hits]:
        """What a search finds, for each vector, as `read`."""
        return await self.read(lambda _, level: self._server.searches.found(asked, level))

    async def build_state(self) -> "dict[str, Any]":
        """What Milvus says of the index: rows in all, those in it, those that wait, its state."""
        found = await self._server.asked(lambda client: client.describe_index(self.name, INDEX, **ONCE))
        if not found:
            raise CollectionGoneError
        return dict(found)

    async def seal(self, wait_s: float) -> None:
        """Has Milvus put what was written into segments that it builds indexes of. Milvus allows that once in
        ten seconds or so, and makes us wait."""
        await self._server.asked(lambda client: client.flush(self.name, timeout=wait_s), wait_s=wait_s)

    async def take_over(self) -> None:
        """Has Milvus search by what was built."""
        await self._server.asked(lambda client: client.refresh_load(self.name, **ONCE), wait_s=_LOAD_S)

    async def _create(self) -> None:
        schema = schema_of(self.plan.dimension)
        await self._server.asked(
            lambda client: client.create_collection(
                self.name, schema=schema, consistency_level="Bounded", **ONCE
            ),
            wait_s=_LOAD_S,
        )

    async def _fits(self) -> bool:
        found = await self._server.asked(lambda client: client.describe_collection(self.name, **ONCE))
        fields = {field["name"]: field for field in found["fields"]}
        wanted = {"uid", "revision", "name", "cut", "fields", "vector"}
        return fields.keys() == wanted and fields["vector"]["params"]["dim"] == self.plan.dimension

    async def _index(self) -> None:
        if await self._server.asked(lambda client: client.list_indexes(self.name, **ONCE)):
            return
        wanted = AsyncMilvusClient.prepare_index_params()
        wanted.add_index(
            "vector",
            index_type=self.plan.kind.value.upper(),
            index_name=INDEX,
            metric_type="IP",
            params=dict(self.plan.build),
        )
        await self._server.asked(
            lambda client: client.create_index(self.name, wanted, **ONCE), wait_s=_LOAD_S
        )

    def _being_loaded(self) -> "asyncio.Task[None]":
        if self._loading is None or self._loading.done():
            self._loading = asyncio.create_task(self._load())
            self._loading.add_done_callback(lambda done: done.cancelled() or done.exception())
        return self._loading

    async def _load(self) -> None:
        """Milvus calls a collection loaded a moment before it answers queries about it."""
        await self._server.asked(lambda client: client.load_collection(self.name, **ONCE), wait_s=_LOAD_S)
        for _ in range(round(_LOAD_S / _LOOK_S)):
            if await self._answers():
                return
            await asyncio.sleep(_LOOK_S)
        raise MilvusComingUpError

    async def _answers(self) -> bool:
        try:
            await self._server.asked(
                lambda client: client.query(self.name, filter=NONE, output_fields=["uid"], **ONCE)
            )
        except (MilvusComingUpError, CollectionUnloadedError):
            return False
        return True

    async def _write(self, points: Sequence[Point], gone: Sequence[int]) -> None:
        async with self._writing:
            for rows in requests_of(points):
                await self._upsert(rows)
            if gone:
                condition = among(gone)
                await self._server.asked(lambda client: client.delete(self.name, filter=condition, **ONCE))
            await self._shown(with_deletions=bool(gone))

    async def _upsert(self, rows: list[dict[str, Any]]) -> None:
        await self._server.asked(lambda client: client.upsert(self.name, rows, **ONCE))

    async def _shown(self, *, with_deletions: bool) -> None:
        """Returns once searches see what was written. Milvus gives deletions no timestamp (2.3.5 says 0), so
        after one the newest state is asked for."""
        address = self._server.address
        written = get_collection_ts(self.name, address.host, address.database)
        level = after(0 if with_deletions else written)
        try:
            await self._server.asked(
                lambda client: client.query(self.name, filter=NONE, output_fields=["uid"], **level, **ONCE)
            )
        except CollectionUnloadedError:
            self._being_loaded()
            raise
        self._freshness.wrote(written, _now())


def _now() -> float:
    return asyncio.get_running_loop().time()

"""Milvus as a VectorIndex: one collection for each generation, on a server that several processes share."""

from collections.abc import Mapping, Sequence
from typing import Self

from soutu.adapters.vectors.checks import unopened
from soutu.adapters.vectors.milvus_build import built
from soutu.adapters.vectors.milvus_collection import MilvusCollection
from soutu.adapters.vectors.milvus_errors import CollectionGoneError
from soutu.adapters.vectors.milvus_filter import among, narrowing
from soutu.adapters.vectors.milvus_plan import check_spec, plan_for
from soutu.adapters.vectors.milvus_search import Search
from soutu.adapters.vectors.milvus_server import ONCE, MilvusAddress, MilvusServer
from soutu.domain.collection import IndexSpec
from soutu.domain.embedding import Vectors
from soutu.domain.filter import Filter
from soutu.domain.query import EVERYTHING, Candidate, Point, Scope


class MilvusIndex:
    """A VectorIndex in the collections PREFIX_UID of a Milvus; those whose names begin so are ours alone.

    While Milvus is away calls fail at once with INDEX_UNAVAILABLE, but for one now and then that tries. A
    build may stand still for `build_wait_s`.
    """

    def __init__(self, server: MilvusServer, prefix: str, build_wait_s: float) -> None:
        self._server = server
        self._prefix = prefix
        self._build_wait_s = build_wait_s
        self._open: dict[int, MilvusCollection] = {}

    @classmethod
    def connected(cls, address: MilvusAddress, *, prefix: str, wait_s: float, build_wait_s: float) -> Self:
        """To be called in the loop that uses it; connects when first asked."""
        return cls(MilvusServer.connected(address, wait_s=wait_s), prefix, build_wait_s)

    def check(self, spec: IndexSpec, dimension: int) -> None:
        """FIELD_INVALID with the sentence that says what Milvus takes, if `spec` asks for anything else."""
        check_spec(spec, dimension)

    async def open(self, generation: int, dimension: int, spec: IndexSpec) -> bool:
        """INDEX_UNAVAILABLE while Milvus is away; FIELD_INVALID as check() says. Where what is there has
        another dimension or form it is dropped."""
        opened = self._open.get(generation)
        if opened is None:
            opened = MilvusCollection(self._server, self._name(generation), plan_for(dimension, spec))
        held = await opened.open()
        self._open.setdefault(generation, opened)
        return held

    async def write(self, generation: int, points: Sequence[Point], gone: Sequence[int]) -> None:
        """Upserts, then deletes, and waits until searches see it: some 200 ms, Milvus's tick. INDEX_UNREADY
        where the collection was dropped behind our back: open() then makes a new one."""
        opened = self._opened(generation)
        try:
            await opened.write(points, gone)
        except CollectionGoneError:
            self._forget(generation, opened)
            raise

    async def persist(self, generation: int) -> None:
        """Nothing is left to do: Milvus acknowledges a write when its log has it (docs/decisions/0023)."""
        self._opened(generation)

    async def nearest(
        self,
        generation: int,
        vectors: Vectors,
        limit: int,
        *,
        candidates: int = 0,
        scope: Scope = EVERYTHING,
        revision: int = 0,
    ) -> Sequence[Sequence[Candidate]]:
        """Scores are within 1e-5 of the exact inner products. INDEX_UNREADY where Milvus has the collection
        not loaded, and it is loaded again. `candidates` is ef, search_list or nprobe."""
        opened = self._opened(generation)
        opened.told(revision)
        try:
            return await Search(opened, candidates, scope).nearest(vectors, limit)
        except CollectionGoneError:
            self._forget(generation, opened)
            raise

    def narrows(self, filter_: Filter) -> bool:
        """Not by texts that nearly every image has its own of, nor by what lies within or ends a text."""
        return not narrowing(filter_).over_is_loose

    async def entries(self, generation: int, after: int, limit: int) -> Sequence[tuple[int, int]]:
        """Up to `limit` (uid, revision) beyond uid `after`, by uid."""
        opened = self._opened(generation)
        entries: list[tuple[int, int]] = []
        while len(entries) < limit:
            rows = await opened.rows("", after, limit - len(entries), ["revision"])
            if not rows:
                break
            entries += [(int(row["uid"]), int(row["revision"])) for row in rows]
            after = entries[-1][0]
        return entries

    async def names(self, generation: int, uids: Sequence[int]) -> Mapping[int, str]:
        """The ids of images, by uid."""
        if not uids:
            return {}
        rows = await self._opened(generation).rows(among(uids), -1, len(uids), ["name"])
        return {int(row["uid"]): str(row["name"]) for row in rows if row["name"]}

    async def count(self, generation: int) -> int:
        """The number of points."""
        return await self._opened(generation).count()

    async def optimize(self, generation: int) -> None:
        """Has Milvus build the index of what was written, and waits for it. INDEX_UNAVAILABLE, naming the
        cause, where it does not; what was not built is found all the same, by scanning."""
        await built(self._opened(generation), self._build_wait_s)

    async def drop(self, generation: int) -> None:
        """Drops the collection, open or not; calls on it fail with INDEX_UNREADY from now on."""
        self._open.pop(generation, None)
        name = self._name(generation)
        await self._server.asked(lambda client: client.drop_collection(name, **ONCE))

    async def kept(self) -> Sequence[int]:
        """The generations that have a collection."""
        names = await self._server.asked(lambda client: client.list_collections(**ONCE))
        numbers = [
            name.removeprefix(f"{self._prefix}_") for name in names if name.startswith(f"{self._prefix}_")
        ]
        return sorted(int(number) for number in numbers if number.isdecimal())

    async def close(self) -> None:
        """Lets go of every generation and of the connection."""
        self._open.clear()
        await self._server.close()

    def _name(self, generation: int) -> str:
        return f"{self._prefix}_{generation}"

    def _forget(self, generation: int, lost: MilvusCollection) -> None:
        if self._open.get(generation) is lost:
            del self._open[generation]

    def _opened(self, generation: int) -> MilvusCollection:
        opened = self._open.get(generation)
        if opened is None:
            raise unopened(generation)
        return opened

"""Brute force in numpy: the oracle that every other vector index is compared with."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from soutu.adapters.vectors.checks import checked_dimension, unopened
from soutu.domain.collection import IndexSpec
from soutu.domain.embedding import Vector, Vectors
from soutu.domain.fields import is_set
from soutu.domain.filter import Filter
from soutu.domain.query import EVERYTHING, Candidate, Point, Scope
from soutu.filters.evaluate import accepts

_Item = TypeVar("_Item", bound=np.generic)

_FIRST_CAPACITY = 64
_FLOAT32_SLACK = 1e-4  # more than float32 sums of unit vectors can be wrong by


class ExactIndex:
    """A VectorIndex in memory that scores every point, whatever the index type; lost with the object."""

    def __init__(self) -> None:
        self._tables: dict[int, _Table] = {}

    def check(self, spec: IndexSpec, dimension: int) -> None:
        """Every specification is served, by the same scan."""

    async def open(self, generation: int, dimension: int, spec: IndexSpec) -> bool:
        """False unless this very object holds points of the generation."""
        table = self._tables.setdefault(generation, _Table(dimension))
        return table.count > 0

    async def write(self, generation: int, points: Sequence[Point], gone: Sequence[int]) -> None:
        """Puts, then forgets; nothing is written if a vector has the wrong dimension."""
        self._table(generation).write(points, gone)

    async def persist(self, generation: int) -> None:
        """Does nothing: nothing here survives."""
        self._table(generation)

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
        """The true nearest of the scope, and no others, among the points held when the call was made;
        `candidates` plays no part."""
        table = self._table(generation)
        checked_dimension(vectors, table.dimension)
        snapshot = table.snapshot(scope)
        return await asyncio.to_thread(lambda: [snapshot.nearest(vector, limit) for vector in vectors])

    def narrows(self, filter_: Filter) -> bool:
        """Always: a scan leaves out what does not satisfy it."""
        return True

    async def entries(self, generation: int, after: int, limit: int) -> Sequence[tuple[int, int]]:
        """Up to `limit` (uid, revision) beyond uid `after`, by uid."""
        return self._table(generation).entries(after, limit)

    async def names(self, generation: int, uids: Sequence[int]) -> Mapping[int, str]:
        """The ids of images, by uid."""
        fields = self._table(generation).fields
        return {uid: str(fields[uid]["name"]) for uid in uids if "name" in fields.get(uid, {})}

    async def count(self, generation: int) -> int:
        """The number of points."""
        return self._table(generation).count

    async def optimize(self, generation: int) -> None:
        """Does nothing: a scan has no structures."""
        self._table(generation)

    async def drop(self, generation: int) -> None:
        """Forgets the generation, if it is known."""
        self._tables.pop(generation, None)

    async def kept(self) -> Sequence[int]:
        """The generations that were opened."""
        return sorted(self._tables)

    async def close(self) -> None:
        """Forgets everything."""
        self._tables.clear()

    def _table(self, generation: int) -> "_Table":
        table = self._tables.get(generation)
        if table is None:
            raise unopened(generation)
        return table


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The points at one moment: vectors float32 (n, dimension), uids and revisions int64 (n,)."""

    vectors: Vectors
    uids: NDArray[np.int64]
    revisions: NDArray[np.int64]

    def nearest(self, query: Vector, limit: int) -> list[Candidate]:
        """The `limit` best, best first, equal scores by uid."""
        rows = self._contenders(query, limit)
        # float64 holds products of float16-rounded values exactly, and reduces every row in the same order,
        # so equal vectors score equal wherever they lie.
        scores = (self.vectors[rows].astype(np.float64) * query.astype(np.float64)).sum(axis=1)
        order = np.lexsort((self.uids[rows], -scores))[:limit]
        return [
            Candidate(int(self.uids[rows[i]]), float(scores[i]), int(self.revisions[rows[i]])) for i in order
        ]

    def _contenders(self, query: Vector, limit: int) -> NDArray[np.intp]:
        """The rows that may be among the best `limit`, judged in float32."""
        if limit >= len(self.uids):
            return np.arange(len(self.uids))
        if limit <= 0:
            return np.arange(0)
        scores = self.vectors @ query
        least = np.partition(scores, -limit)[-limit]
        return np.flatnonzero(scores >= least - _FLOAT32_SLACK)


@dataclass(slots=True)
class _Table:
    """The living points of one generation, packed in the first `count` rows of arrays that grow by doubling.

    A write makes no change in the arrays of a snapshot that a search may be reading: it copies them first.
    """

    dimension: int
    count: int = 0
    vectors: Vectors = field(init=False)
    uids: NDArray[np.int64] = field(init=False)
    revisions: NDArray[np.int64] = field(init=False)
    rows: dict[int, int] = field(default_factory=dict)
    fields: dict[int, Mapping[str, object]] = field(default_factory=dict)
    shared: bool = False

    def __post_init__(self) -> None:
        self.vectors = np.empty((0, self.dimension), np.float32)
        self.uids = np.empty(0, np.int64)
        self.revisions = np.empty(0, np.int64)

    def snapshot(self, scope: Scope) -> _Snapshot:
        chosen = self._chosen(scope)
        if chosen is not None:
            return _Snapshot(self.vectors[chosen], self.uids[chosen], self.revisions[chosen])
        self.shared = True
        return _Snapshot(self.vectors[: self.count], self.uids[: self.count], self.revisions[: self.count])

    def _chosen(self, scope: Scope) -> NDArray[np.intp] | None:
        """The rows of the scope; None for all."""
        if scope.filter is None and scope.uids is None:
            return None
        rows = [
            row
            for uid, row in self.rows.items()
            if (scope.uids is None or uid in scope.uids)
            and (scope.filter is None or accepts(scope.filter, self.fields[uid]))
        ]
        return np.array(rows, np.intp)

    def write(self, points: Sequence[Point], gone: Sequence[int]) -> None:
        for point in points:
            checked_dimension(point.vector, self.dimension)
        self._own(self.count + len(points))
        for point in points:
            self._put(point)
        for uid in gone:
            self._forget(uid)

    def entries(self, after: int, limit: int) -> list[tuple[int, int]]:
        uids = sorted(uid for uid in self.rows if uid > after)[:limit]
        return [(uid, int(self.revisions[self.rows[uid]])) for uid in uids]

    def _own(self, needed: int) -> None:
        """Arrays of at least `needed` rows that no snapshot reads."""
        capacity = len(self.uids)
        if needed <= capacity and not self.shared:
            return
        capacity = max(capacity if needed <= capacity else max(2 * capacity, needed), _FIRST_CAPACITY)
        self.vectors = _regrown(self.vectors, capacity)
        self.uids = _regrown(self.uids, capacity)
        self.revisions = _regrown(self.revisions, capacity)
        self.shared = False

    def _put(self, point: Point) -> None:
        row = self.rows.setdefault(point.uid, self.count)
        self.count = max(self.count, row + 1)
        self.vectors[row], self.uids[row], self.revisions[row] = point.vector, point.uid, point.revision
        self.fields[point.uid] = {name: value for name, value in point.fields.items() if is_set(value)}

    def _forget(self, uid: int) -> None:
        row = self.rows.pop(uid, None)
        self.fields.pop(uid, None)
        if row is None:
            return
        self.count -= 1
        if row < self.count:
            for column in (self.vectors, self.uids, self.revisions):
                column[row] = column[self.count]
            self.rows[int(self.uids[row])] = row


def _regrown(rows: NDArray[_Item], capacity: int) -> NDArray[_Item]:
    """A copy of `rows` with room for `capacity` of them."""
    grown = np.empty((capacity, *rows.shape[1:]), rows.dtype)
    grown[: len(rows)] = rows
    return grown

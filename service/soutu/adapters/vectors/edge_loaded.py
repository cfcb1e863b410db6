"""One loaded shard: the engine asked and told in our terms. Everything here blocks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import cast

import qdrant_edge as edge

from soutu.adapters.vectors.checks import checked_dimension
from soutu.adapters.vectors.edge_filter import condition_of
from soutu.adapters.vectors.edge_holes import GraphHoles
from soutu.adapters.vectors.edge_names import SyncedNames
from soutu.adapters.vectors.edge_payload import Index, create_index, wanted_indexes
from soutu.adapters.vectors.edge_plan import Plan
from soutu.adapters.vectors.edge_points import REVISION, edge_copy, edge_point, revision_of, uid_of
from soutu.domain.embedding import Vectors
from soutu.domain.query import EVERYTHING, Candidate, Point, Scope

# The engine keeps the interpreter's lock for as long as a call lasts, so long calls are cut into short ones.
_POINTS_PER_UPDATE = 16  # 3 ms, with the indexes of all fields
_ENTRIES_PER_SCROLL = 2_000  # 5 ms
# What keeps recall up where a filter goes along with the vectors (docs/decisions/0013).
_FILTERED_FLAT = 6  # times the points that are compared one by one without a filter
_FILTERED_WIDER = 4  # times the candidates
_ACORN_UP_TO = 0.95  # of the points satisfy the filter; beyond that the plain walk does as well


@dataclass(eq=False, slots=True)
class LoadedShard:
    """The shard in the folder `files`. `users` calls are at work in it, as CurrentShard counts them."""

    shard: edge.EdgeShard
    holes: GraphHoles
    plan: Plan
    files: Path
    names: SyncedNames
    users: int = 0
    indexed: set[str] = field(default_factory=set)
    _updates: int = 0
    _told: "tuple[int, edge.ShardInfo] | None" = None

    def write(self, points: Sequence[Point], gone: Sequence[int]) -> None:
        """Upserts, then deletes."""
        self.holes.add(len(points) + len(gone))
        self._index_fields(wanted_indexes(point.fields for point in points))
        for chunk in _chunks(points):
            self._update(edge.UpdateOperation.upsert_points([edge_point(point) for point in chunk]))
        if gone:
            self._update(edge.UpdateOperation.delete_points(list(gone)))

    def take_from(self, other: "LoadedShard", uids: Sequence[int]) -> None:
        """Makes these uids here what they are in `other`: the same points, or none."""
        self.holes.add(len(uids))
        self._index_fields(_indexes_in(other.shard))
        for first in range(0, len(uids), _POINTS_PER_UPDATE):
            asked = uids[first : first + _POINTS_PER_UPDATE]
            found = other.shard.retrieve(list(asked), with_payload=True, with_vector=True)
            copies = [edge_copy(record) for record in found]
            missing = set(asked) - {uid_of(record) for record in found}
            if copies:
                self._update(edge.UpdateOperation.upsert_points(copies))
            if missing:
                self._update(edge.UpdateOperation.delete_points(sorted(missing)))

    def nearest(
        self, vectors: Vectors, limit: int, candidates: int, scope: Scope = EVERYTHING
    ) -> list[list[Candidate]]:
        """For each row of `vectors` (n, dimension) its `limit` best points of the scope, ties by uid."""
        checked_dimension(vectors, self.plan.dimension)
        if limit <= 0:
            return [[] for _ in vectors]
        look = Look(candidates or self.plan.candidates, scope.exact, condition_of(scope))
        return [
            self._settled(vectors[row : row + 1], points, limit, look)
            for row, points in enumerate(self._query(vectors, limit + 1, look))
        ]

    def entries(self, after: int, limit: int) -> list[tuple[int, int]]:
        """Up to `limit` (uid, revision) beyond uid `after`, by uid."""
        entries: list[tuple[int, int]] = []
        while len(entries) < limit:
            asked = min(limit - len(entries), _ENTRIES_PER_SCROLL)
            request = edge.ScrollRequest(
                offset=max(after + 1, 0), limit=asked, with_payload=[REVISION], with_vector=False
            )
            records, _ = self.shard.scroll(request)
            entries.extend((uid_of(record), revision_of(record)) for record in records)
            if len(records) < asked:
                break
            after = entries[-1][0]
        return entries

    def count(self) -> int:
        """The number of points, counted (3 ms for 50,000)."""
        return self.shard.count(edge.CountRequest())

    def is_due(self) -> bool:
        """Whether optimize() may find something to do; asks for a number or two."""
        return self.holes.due(self.shard.info(), self.plan.flat_below)

    def _query(self, vectors: Vectors, limit: int, look: "Look") -> list[list[edge.ScoredPoint]]:
        state = self._state()
        held = state.points_count
        exact = look.exact or held < self.plan.flat_below or self.holes.too_many(state) or self._few(look)
        found = self._run(vectors, limit, look.filter, look.params(limit, exact))
        if not exact and min(map(len, found), default=limit) < min(limit, held):
            # A graph can lose touch with a point; "fewer only if the scope has fewer" is promised.
            found = self._run(vectors, limit, look.filter, look.params(limit, True))
        return found

    def _update(self, operation: edge.UpdateOperation) -> None:
        try:
            self.shard.update(operation)
        finally:
            self._updates += 1

    def _state(self) -> "edge.ShardInfo":
        """What the engine tells of the shard, asked for once after each update: it takes 0.05 ms."""
        updates, told = self._updates, self._told
        if told is None or told[0] != updates:
            told = self._told = (updates, self.shard.info())
        return told[1]

    def _few(self, look: "Look") -> bool:
        """Whether a filter leaves so few points, at a guess, that they are all compared: beyond, the graph is
        as quick, and its recall high enough."""
        if look.filter is None:
            return False
        guess = self.shard.count(edge.CountRequest(filter=look.filter, exact=False))
        return guess < _FILTERED_FLAT * self.plan.flat_below

    def _run(
        self, vectors: Vectors, limit: int, filter_: edge.Filter | None, params: edge.SearchParams
    ) -> list[list[edge.ScoredPoint]]:
        """One planned batch: the engine scans exactly for 16 vectors in the time of 5."""
        requests = [
            edge.QueryRequest(
                limit=limit,
                query=edge.Query.Nearest(vector),
                filter=filter_,
                with_payload=[REVISION],
                params=params,
            )
            for vector in vectors.tolist()
        ]
        return self.shard.query_batch(edge.QueryBatchRequest(requests))

    def _settled(
        self, vector: Vectors, found: list[edge.ScoredPoint], limit: int, look: "Look"
    ) -> list[Candidate]:
        """The best `limit` of `found`, ties by uid. The engine breaks ties as it likes, so while one goes
        across the cut and past what was fetched, more is fetched."""
        reach = len(found)
        while len(found) == reach > limit and found[-1].score == found[limit - 1].score:
            reach *= 2
            found = self._query(vector, reach, look)[0]
        ordered = sorted((-point.score, uid_of(point), revision_of(point)) for point in found)
        return [Candidate(uid, -score, revision) for score, uid, revision in ordered[:limit]]

    def _index_fields(self, wanted: Mapping[str, Callable[[], Index]]) -> None:
        """Makes the indexes that points with these keys need, where the shard has not got them."""
        if wanted.keys() <= self.indexed:
            return
        self.indexed |= self.shard.info().payload_schema.keys()
        for key in wanted.keys() - self.indexed:
            create_index(self.shard, key, wanted[key]())
        self.indexed |= wanted.keys()


@dataclass(frozen=True, slots=True)
class Look:
    """How a search goes through the shard: by how many candidates, comparing with every point or not, and at
    points of what kind."""

    candidates: int
    exact: bool
    filter: edge.Filter | None

    def params(self, limit: int, exact: bool) -> edge.SearchParams:
        """The engine's parameters of a search for `limit` points."""
        if self.filter is None:
            return edge.SearchParams(hnsw_ef=max(self.candidates, limit), exact=exact)
        wider = max(_FILTERED_WIDER * self.candidates, limit)
        return edge.SearchParams(hnsw_ef=wider, exact=exact, acorn=_acorn())


def _acorn() -> edge.AcornSearchParams:
    """Goes on through points that the filter leaves out, so that it finds those behind them."""
    return edge.AcornSearchParams(enable=True, max_selectivity=_ACORN_UP_TO)


def _indexes_in(shard: edge.EdgeShard) -> dict[str, Callable[[], Index]]:
    schema = shard.info().payload_schema
    return {key: partial(cast, Index, found.params) for key, found in schema.items()}


def _chunks(points: Sequence[Point]) -> Iterator[list[Point]]:
    iterator = iter(points)
    while chunk := list(islice(iterator, _POINTS_PER_UPDATE)):
        yield chunk

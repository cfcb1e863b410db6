"""One open generation: the engine's shard, asked and told in our terms. Everything here blocks."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from math import isnan
from threading import Lock

import qdrant_edge as edge

from soutu.adapters.vectors.checks import checked_dimension, unopened
from soutu.adapters.vectors.edge_errors import translated
from soutu.adapters.vectors.edge_folder import ShardFolder
from soutu.adapters.vectors.edge_plan import Plan
from soutu.domain.embedding import Vectors
from soutu.domain.errors import SoutuError
from soutu.domain.query import Candidate, Point

_POINTS_PER_UPDATE = 128  # one call holds the interpreter's lock for about 1 ms
_REVISION = "revision"


class OpenShard:
    """Generation `folder.uid`, open. Safe to use from several threads; INDEX_UNREADY once closed."""

    def __init__(self, folder: ShardFolder, plan: Plan) -> None:
        self._folder = folder
        self._plan = plan
        self._optimizing = Lock()
        self._closed = False
        self._shard, self._holes = folder.open(plan)

    def write(self, points: Sequence[Point], gone: Sequence[int]) -> None:
        """Upserts, then deletes; VECTOR_INVALID, before anything is written, for a wrong dimension."""
        for point in points:
            checked_dimension(point.vector, self._plan.dimension)
        self._holes.add(len(points) + len(gone))
        with self._using():
            for chunk in _chunks(points):
                upsert = edge.UpdateOperation.upsert_points([_edge_point(point) for point in chunk])
                self._shard.update(upsert)
            if gone:
                self._shard.update(edge.UpdateOperation.delete_points(list(gone)))

    def persist(self) -> None:
        """Syncs everything, 10 ms or so: the write-ahead log alone outlives the process, not the power."""
        with self._using():
            self._shard.flush()
            self._folder.sync()

    def nearest(self, vectors: Vectors, limit: int, candidates: int) -> list[list[Candidate]]:
        """For each row of `vectors` (n, dimension) its `limit` best points, ties by uid."""
        checked_dimension(vectors, self._plan.dimension)
        if limit <= 0:
            return [[] for _ in vectors]
        with self._using():
            found = self._query(vectors, limit + 1, candidates)
            return [
                self._settled(vectors[row : row + 1], points, limit, candidates)
                for row, points in enumerate(found)
            ]

    def entries(self, after: int, limit: int) -> list[tuple[int, int]]:
        """Up to `limit` (uid, revision) beyond uid `after`, by uid."""
        if limit <= 0:
            return []
        request = edge.ScrollRequest(
            offset=max(after + 1, 0), limit=limit, with_payload=[_REVISION], with_vector=False
        )
        with self._using():
            records, _ = self._shard.scroll(request)
            return [(_uid(record), _revision(record)) for record in records]

    def count(self) -> int:
        """The number of points, counted (3 ms for 50,000)."""
        with self._using():
            return self._shard.count(edge.CountRequest())

    def optimize(self) -> None:
        """Merges segments and builds the graph: seconds to minutes, while searches and writes go on."""
        with self._optimizing, self._using():
            before, written = self._shard.info(), self._holes.written
            self._shard.optimize()
            self._holes.optimized(before, written, self._shard.info())

    def close(self, wait_s: float) -> None:
        """Closes the shard and seals its files, unless optimize() goes on for longer than `wait_s`: then
        they still change, and the next open() reads them through."""
        at_rest = self._optimizing.acquire(timeout=wait_s)
        self._closed = True
        try:
            with translated():
                self._shard.flush()
                holes = self._holes.bound(self._shard.info())
                self._shard.close()
                if at_rest:
                    self._folder.seal(holes)
        finally:
            if at_rest:
                self._optimizing.release()

    def drop(self) -> None:
        """Closes the shard and removes its files, after a running optimize()."""
        self._closed = True
        with self._optimizing, translated():
            self._shard.close()
            self._folder.remove()

    def _query(self, vectors: Vectors, limit: int, candidates: int) -> list[list[edge.ScoredPoint]]:
        state = self._shard.info()
        held = state.points_count
        exact = held < self._plan.flat_below or self._holes.too_many(state)
        params = edge.SearchParams(hnsw_ef=max(candidates or self._plan.candidates, limit), exact=exact)
        found = self._run(vectors, limit, params)
        if min(map(len, found), default=limit) < min(limit, held):
            # A graph can lose touch with a point; "fewer only if the index holds fewer" is promised.
            found = self._run(vectors, limit, edge.SearchParams(exact=True))
        return found

    def _run(self, vectors: Vectors, limit: int, params: edge.SearchParams) -> list[list[edge.ScoredPoint]]:
        """One planned batch: the engine scans exactly for 16 vectors in the time of 5."""
        requests = [
            edge.QueryRequest(
                limit=limit, query=edge.Query.Nearest(vector), with_payload=[_REVISION], params=params
            )
            for vector in vectors.tolist()
        ]
        return self._shard.query_batch(edge.QueryBatchRequest(requests))

    def _settled(
        self, vector: Vectors, found: list[edge.ScoredPoint], limit: int, candidates: int
    ) -> list[Candidate]:
        """The best `limit` of `found`, ties by uid. The engine breaks ties as it likes, so while one goes
        across the cut and past what was fetched, more is fetched."""
        reach = len(found)
        while len(found) == reach > limit and found[-1].score == found[limit - 1].score:
            reach *= 2
            found = self._query(vector, reach, candidates)[0]
        ordered = sorted((-point.score, _uid(point), _revision(point)) for point in found)
        return [Candidate(uid, -score, revision) for score, uid, revision in ordered[:limit]]

    @contextmanager
    def _using(self) -> Iterator[None]:
        """Translates what fails inside; INDEX_UNREADY if the shard was closed before or meanwhile."""
        if self._closed:
            raise unopened(self._folder.uid)
        try:
            with translated():
                yield
        except SoutuError as error:
            if self._closed:
                raise unopened(self._folder.uid) from error
            raise


def _edge_point(point: Point) -> edge.Point:
    payload = {**_payload(point.fields), _REVISION: point.revision}
    return edge.Point(id=point.uid, vector=point.vector.tolist(), payload=payload)


def _payload(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: _storable(value) for name, value in fields.items()}


def _storable(value: object) -> object:
    """The value as JSON has it: moments in RFC 3339 (UTC), tuples as lists, not-a-number as null."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, float) and isnan(value):
        return None
    return value


def _uid(point: edge.ScoredPoint | edge.Record) -> int:
    assert isinstance(point.id, int)
    return point.id


def _revision(point: edge.ScoredPoint | edge.Record) -> int:
    assert point.payload is not None
    return int(point.payload[_REVISION])


def _chunks(points: Sequence[Point]) -> Iterator[list[Point]]:
    iterator = iter(points)
    while chunk := list(islice(iterator, _POINTS_PER_UPDATE)):
        yield chunk

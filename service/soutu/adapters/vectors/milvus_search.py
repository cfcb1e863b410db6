"""Searching a generation's collection: by its index, completed where that falls short, settled and scored."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soutu.adapters.vectors.checks import checked_dimension
from soutu.adapters.vectors.milvus_collection import LISTED, MilvusCollection
from soutu.adapters.vectors.milvus_filter import EVERY, condition_of
from soutu.adapters.vectors.milvus_plan import MOST_FOUND
from soutu.adapters.vectors.milvus_quick import Asked, Hits
from soutu.domain.embedding import Vector, Vectors
from soutu.domain.query import Candidate, Scope

_VECTORS_AT_A_TIME = 16
_FEW = 12_000  # points of a filter, at most, all of which are fetched and compared here
_FEW_COMPONENTS = 2**20  # of them together
_FETCHED_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Search:
    """One search: by how many candidates (0: the usual), and where."""

    collection: MilvusCollection
    candidates: int
    scope: Scope

    async def nearest(self, vectors: Vectors, limit: int) -> list[list[Candidate]]:
        """For each row of `vectors` (n, dimension) its `limit` best points of the scope, ties by uid."""
        plan = self.collection.plan
        checked_dimension(vectors, plan.dimension)
        if limit <= 0 or not len(vectors) or self.scope.uids == frozenset():
            return [[] for _ in vectors]
        condition = condition_of(self.scope)
        if limit >= MOST_FOUND or await self._is_compared(condition):
            return await self._compared(vectors, condition, limit)
        found: list[list[Candidate]] = []
        for first in range(0, len(vectors), _VECTORS_AT_A_TIME):
            some = vectors[first : first + _VECTORS_AT_A_TIME]
            rows = await self._found(some, condition, limit + 1)
            found += [
                await self._settled(vector, row, condition, limit)
                for vector, row in zip(some, rows, strict=True)
            ]
        return found

    async def _is_compared(self, condition: str) -> bool:
        """Whether all points of the scope are compared here: where that is asked for, and where a filter
        leaves so few that Milvus's walk along a graph or through some lists would miss most of them."""
        plan = self.collection.plan
        if plan.exact or not (condition or self.scope.exact):
            return False
        if self.scope.exact:
            return True
        return await self.collection.count(condition) <= min(_FEW, _FEW_COMPONENTS // plan.dimension)

    async def _found(
        self, vectors: Vectors, condition: str, reach: int, *, wider: bool = False
    ) -> list[list[Candidate]]:
        """The best `reach` that the index finds, as many as there are."""
        rows = await self._asked(vectors, condition, reach, wider=wider or bool(condition))
        if all(len(row) >= reach for row in rows):
            return rows
        held = min(reach, await self.collection.count(condition or EVERY))
        return [
            row if len(row) >= held else await self._completed(vectors[each], condition, reach, held)
            for each, row in enumerate(rows)
        ]

    async def _completed(self, vector: Vector, condition: str, reach: int, held: int) -> list[Candidate]:
        """By more candidates, and if that does not do, by comparing with all."""
        (row,) = await self._asked(vector[None], condition, reach, wider=True)
        return row if len(row) >= held else (await self._compared(vector[None], condition, reach))[0]

    async def _asked(
        self, vectors: Vectors, condition: str, reach: int, *, wider: bool
    ) -> list[list[Candidate]]:
        plan = self.collection.plan
        fetched = min(reach * plan.refined, MOST_FOUND)
        fields = ["revision", "vector"] if plan.refined > 1 else ["revision"]
        parameters = plan.search(self.candidates, fetched, wider=wider)
        found = await self.collection.found(
            Asked(self.collection.name, vectors, condition, fetched, parameters, fields)
        )
        if plan.refined > 1:
            return [_refined(vector, hits)[:reach] for vector, hits in zip(vectors, found, strict=True)]
        return [list(map(Candidate, hits.uids, hits.scores, hits.revisions)) for hits in found]

    async def _settled(
        self, vector: Vector, found: list[Candidate], condition: str, limit: int
    ) -> list[Candidate]:
        """The best `limit` of `found`, ties by uid. Milvus breaks ties as it likes, so while one goes across
        the cut and past what was fetched, more is fetched."""
        reach = len(found)
        while len(found) == reach > limit and found[-1].score == found[limit - 1].score:
            reach *= 2
            if reach > MOST_FOUND:
                return (await self._compared(vector[None], condition, limit))[0]
            (found,) = await self._found(vector[None], condition, reach)
        return _ordered(found)[:limit]

    async def _compared(self, vectors: Vectors, condition: str, limit: int) -> list[list[Candidate]]:
        """The true best of all points that satisfy the condition, fetched page by page."""
        at_a_time = max(1, min(LISTED, _FETCHED_BYTES // (4 * self.collection.plan.dimension)))
        best: list[list[Candidate]] = [[] for _ in vectors]
        after_uid = -1
        while page := await self.collection.rows(condition, after_uid, at_a_time, ["revision", "vector"]):
            held = np.array([row["vector"] for row in page], np.float64)
            uids, revisions = ([int(row[name]) for row in page] for name in ("uid", "revision"))
            for each, vector in enumerate(vectors):
                best[each] = _ordered([*best[each], *_scored(vector, held, uids, revisions)])[:limit]
            after_uid = uids[-1]
            if len(page) < at_a_time:
                break
        return best


def _refined(vector: Vector, hits: Hits) -> list[Candidate]:
    return _ordered(_scored(vector, hits.vectors.astype(np.float64), hits.uids, hits.revisions))


def _scored(
    vector: Vector, held: NDArray[np.float64], uids: Sequence[int], revisions: Sequence[int]
) -> list[Candidate]:
    """The points, whose vectors are `held` (n, dimension), with their inner products: as float32, which is
    what Milvus tells and what page tokens keep."""
    scores = (held * vector.astype(np.float64)).sum(axis=1).astype(np.float32).tolist()
    return list(map(Candidate, uids, scores, revisions))


def _ordered(found: Sequence[Candidate]) -> list[Candidate]:
    return sorted(found, key=lambda each: (-each.score, each.uid))

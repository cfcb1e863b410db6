"""Tuning: the smallest candidate list with which an index finds enough becomes its generation's default."""

import statistics
from collections.abc import Mapping
from dataclasses import replace

from soutu.collections.soundness import Sample, recall_of, sample_of
from soutu.domain.collection import Generation, GenerationState
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.operation import Operation, OperationKind
from soutu.ingest.followers import Followers
from soutu.operations.job import Job
from soutu.ports import Catalog, Clock, VectorIndex

_SIZES = (16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096)
_SAMPLE = 128
_TIMED = 32
_DEPTH = 10


class Tuning:
    """The tuning story; also the work of its operation."""

    def __init__(self, catalog: Catalog, index: VectorIndex, followers: Followers, clock: Clock) -> None:
        self._catalog = catalog
        self._index = index
        self._followers = followers
        self._clock = clock

    async def begin(self, collection_id: str, generation_id: str, recall: float) -> Operation:
        """Begins to look for the smallest candidate list that finds this share of the true ten nearest:
        GENERATION_NOT_FOUND, GENERATION_UNREADY."""
        head = await self._catalog.head(collection_id, generation_id)
        if head.generation.state is not GenerationState.READY:
            raise SoutuError(Reason.GENERATION_UNREADY)
        request = {"generation": head.generation.id, "recall": recall}
        return await self._catalog.create_operation(
            OperationKind.TUNE, head.collection.uid, collection_id, request
        )

    async def run(self, job: Job) -> Mapping[str, object]:
        """The work of a tuning operation. Where no size reaches the recall, the best one counts."""
        request = job.operation.request
        head = await self._catalog.head(job.operation.collection_id, str(request["generation"]))
        if head.collection.uid != job.operation.collection_uid:
            raise SoutuError(Reason.COLLECTION_NOT_FOUND)
        self._followers.check_ready(head.generation)
        followed = self._followers.followed(head.generation)
        sample = await sample_of(self._catalog, head.generation, _SAMPLE, followed)
        points: list[dict[str, object]] = []
        recalls: dict[int, float] = {}
        job.progress = replace(job.progress, total=len(_SIZES))
        for size in _SIZES:
            recalls[size] = await recall_of(sample, self._index, head.generation, size)
            median_s = await self._median_s(head.generation, sample, size)
            seconds, nanos = divmod(round(median_s * 1e9), 10**9)
            median = {"seconds": seconds, "nanos": nanos}
            points.append({"candidates": size, "recall": recalls[size], "median": median})
            job.progress = replace(job.progress, done=len(points))
            if recalls[size] >= float(str(request["recall"])):
                break
        best = max(recalls, key=lambda size: (recalls[size], -size))
        await self._catalog.set_candidates(head.generation.uid, best)
        return {"candidates": best, "points": points}

    async def give_up(self, operation: Operation) -> None:
        """The default stays as it was."""

    async def _median_s(self, generation: Generation, sample: Sample, size: int) -> float:
        """The median time of a search, by itself, for some of the sample."""
        times_s = [0.0]
        for row in range(min(len(sample.queries), _TIMED)):
            begun_s = self._clock.monotonic()
            query = sample.queries[row : row + 1]
            await self._index.nearest(generation.uid, query, _DEPTH, candidates=size)
            times_s.append(self._clock.monotonic() - begun_s)
        return statistics.median(times_s[1:] or times_s)

"""Whether an index finds what is there: a sample of its answers against exact search."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soutu.domain.collection import Generation
from soutu.domain.embedding import Vectors
from soutu.ports import ImageCatalog, VectorIndex

_SAMPLE = 16
_DEPTH = 10
_PAGE = 2_000
_ROUNDING = 1e-4  # scores of the index and of numpy agree to this


@dataclass(frozen=True, slots=True)
class Sample:
    """Stored vectors, float32 (n, dimension), and for each the score that its true ten nearest reach at
    least; `expected` is how many such matches there are in all."""

    queries: Vectors
    floors: NDArray[np.float32]
    expected: int


async def sampled_recall(
    catalog: ImageCatalog, index: VectorIndex, generation: Generation, followed: int
) -> float:
    """The share of the true ten nearest images that the index finds, for up to 16 stored ones; 1.0 where
    none is stored. An image counts as found with any that is as near, so ties do no harm; one that was
    written after revision `followed` is not looked for."""
    return await recall_of(await sample_of(catalog, generation, _SAMPLE, followed), index, generation)


async def sample_of(catalog: ImageCatalog, generation: Generation, size: int, followed: int) -> Sample:
    """Up to `size` stored vectors with what exact search finds for them up to this revision."""
    queries = np.empty((0, generation.dimension), np.float32)
    best = np.empty((0, _DEPTH), np.float32)
    async for vectors in _stored(catalog, generation, followed):
        if not len(queries):
            queries = vectors[:: max(len(vectors) // size, 1)][:size]
            best = np.full((len(queries), _DEPTH), -np.inf, np.float32)
        scores = np.hstack([best, queries @ vectors.T])
        best = -np.partition(-scores, _DEPTH - 1, axis=1)[:, :_DEPTH]
    finite = np.isfinite(best)
    floors = np.where(finite, best, np.inf).min(axis=1, initial=np.inf) - _ROUNDING
    return Sample(queries, floors.astype(np.float32), int(finite.sum()))


async def recall_of(sample: Sample, index: VectorIndex, generation: Generation, candidates: int = 0) -> float:
    """The share of the sample's true ten nearest that the index finds with this candidate-list size."""
    if not sample.expected:
        return 1.0
    found = await index.nearest(generation.uid, sample.queries, _DEPTH, candidates=candidates)
    reached = sum(
        each.score >= floor for row, floor in zip(found, sample.floors, strict=True) for each in row
    )
    return float(min(reached / sample.expected, 1.0))


async def _stored(catalog: ImageCatalog, generation: Generation, followed: int) -> AsyncIterator[Vectors]:
    """The vectors of all images up to a revision, float32 (n, dimension), page by page."""
    after = 0
    while after < followed and (
        page := await catalog.changes(generation.collection_uid, generation.model, after, _PAGE)
    ):
        after = page[-1].revision
        vectors = [
            change.vector for change in page if change.vector is not None and change.revision <= followed
        ]
        if vectors:
            yield np.stack(vectors)

"""Whether an index finds what is there: a sample of its answers against exact search."""

from collections.abc import AsyncIterator

import numpy as np

from soutu.domain.collection import Generation
from soutu.domain.embedding import Vectors
from soutu.ports import ImageCatalog, VectorIndex

_SAMPLE = 16
_DEPTH = 10
_PAGE = 2_000
_ROUNDING = 1e-4  # scores of the index and of numpy agree to this


async def sampled_recall(catalog: ImageCatalog, index: VectorIndex, generation: Generation) -> float:
    """The share of the true ten nearest images that the index finds, for up to 16 stored ones; 1.0 where
    none is stored. An image counts as found with any that is as near, so ties do no harm."""
    queries = np.empty((0, generation.dimension), np.float32)
    best = np.empty((0, _DEPTH), np.float32)
    async for vectors in _stored(catalog, generation):
        if not len(queries):
            queries = vectors[:: max(len(vectors) // _SAMPLE, 1)][:_SAMPLE]
            best = np.full((len(queries), _DEPTH), -np.inf, np.float32)
        scores = np.hstack([best, queries @ vectors.T])
        best = -np.partition(-scores, _DEPTH - 1, axis=1)[:, :_DEPTH]
    if not len(queries):
        return 1.0
    expected = int(np.isfinite(best).sum())
    floors = np.where(np.isfinite(best), best, np.inf).min(axis=1) - _ROUNDING
    found = await index.nearest(generation.uid, queries, _DEPTH)
    reached = sum(each.score >= floor for row, floor in zip(found, floors, strict=True) for each in row)
    return float(min(reached / expected, 1.0))


async def _stored(catalog: ImageCatalog, generation: Generation) -> AsyncIterator[Vectors]:
    """The vectors of all images, float32 (n, dimension), page by page."""
    after = 0
    while page := await catalog.changes(generation.collection_uid, generation.model, after, _PAGE):
        after = page[-1].revision
        vectors = [change.vector for change in page if change.vector is not None]
        if vectors:
            yield np.stack(vectors)

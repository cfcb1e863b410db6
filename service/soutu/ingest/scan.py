"""Comparing an index with the catalogue, row by row, in bounded memory."""

import asyncio
from collections.abc import Sequence

from soutu.domain.collection import Generation
from soutu.ports import ImageCatalog, VectorIndex

_PAGE = 10_000
_Entries = Sequence[tuple[int, int]]


async def mismatches(catalog: ImageCatalog, index: VectorIndex, generation: Generation) -> set[int]:
    """The uids whose point and row differ in revision, or of which one is missing."""
    found, after = set[int](), 0
    while True:
        rows = await catalog.revisions(generation.collection_uid, after, _PAGE)
        points = await index.entries(generation.uid, after, _PAGE)
        # Both are in the order of uids; what lies behind the end of a full page comes with the next.
        ends = [page[-1][0] for page in (rows, points) if len(page) == _PAGE]
        found |= await asyncio.to_thread(_differences, rows, points, min(ends, default=0))
        if not ends:
            return found
        after = min(ends)


def _differences(rows: _Entries, points: _Entries, end: int) -> set[int]:
    return {uid for uid, _ in set(rows) ^ set(points) if not end or uid <= end}

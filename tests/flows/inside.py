"""What no client sees of a service: its catalogue and its index, in its data directory or on the stack."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from soutu.adapters.catalog import SqlCatalog
from soutu.adapters.vectors.milvus import MilvusIndex
from soutu.adapters.vectors.milvus_server import MilvusAddress
from soutu.adapters.vectors.qdrant_edge import QdrantEdgeIndex
from soutu.domain.collection import GenerationState
from soutu.domain.labels import PredictedLabel
from soutu.observe.clock import SystemClock
from soutu.ports import Catalog, VectorIndex
from tests.flows.served import Served

_WAIT_S = 60.0
_MOST = 100_000
T = TypeVar("T")


def check_at_rest(served: Served) -> None:
    """While nothing is written: every READY generation's index holds the catalogue's rows, each at its own
    revision, and nothing else. An index in the process must have been let go of by its server."""
    _looked(served, _compare)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A collection's revision, and the labels of each of its images, by its id."""

    revision: int
    images: Mapping[str, tuple[PredictedLabel, ...]]

    def of_set(self, label_set: str) -> set[str]:
        """The images that have labels of this set."""
        return {
            image for image, labels in self.images.items() if label_set in {each.label_set for each in labels}
        }


def labels_kept(served: Served, collection: str) -> Labelled:
    """The labels as the catalogue keeps them; nothing may be written meanwhile."""

    async def look(catalog: Catalog, _: VectorIndex) -> Labelled:
        found = (await catalog.head(collection)).collection
        images = await catalog.list_images(found.uid, "", _MOST)
        return Labelled(found.revision, {image.id: image.labels for image in images})

    return _looked(served, look)


def kept_indexes(served: Served) -> set[str]:
    """The uids of the generations that an index is kept of."""
    return _looked(served, _kept)


def _looked(served: Served, look: Callable[[Catalog, VectorIndex], Awaitable[T]]) -> T:
    async def looked() -> T:
        async with _opened(served) as (catalog, index):
            return await look(catalog, index)

    return asyncio.run(looked())


@asynccontextmanager
async def _opened(served: Served) -> AsyncIterator[tuple[Catalog, VectorIndex]]:
    url = served.settings.get("SOUTU_CATALOG_URL") or f"sqlite+aiosqlite:///{served.data_dir / 'catalog.db'}"
    catalog = await SqlCatalog.open(url, SystemClock())
    index = _index(served)
    try:
        yield catalog, index
    finally:
        await index.close()
        await catalog.close()


def _index(served: Served) -> VectorIndex:
    url = served.settings.get("SOUTU_INDEX_URL")
    if not url:
        return QdrantEdgeIndex(served.data_dir / "index", threads=1)
    prefix = served.settings["SOUTU_INDEX_PREFIX"]
    return MilvusIndex.connected(MilvusAddress(url), prefix=prefix, wait_s=_WAIT_S, build_wait_s=_WAIT_S)


async def _compare(catalog: Catalog, index: VectorIndex) -> None:
    for each in await catalog.generations():
        if each.state is GenerationState.READY:
            await index.open(each.uid, each.dimension, each.index)
            rows = await catalog.revisions(each.collection_uid, 0, _MOST)
            assert dict(await index.entries(each.uid, 0, _MOST)) == dict(rows)


async def _kept(catalog: Catalog, index: VectorIndex) -> set[str]:
    return {str(uid) for uid in await index.kept()}

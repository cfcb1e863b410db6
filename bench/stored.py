"""Data directories that the benchmarks serve, filled once under build/bench/data and used again."""

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.models import card_of
from bench.pictures import PICTURES, stored_pictures
from bench.server import serving
from soutu.adapters.data_directory import DataDirectory
from soutu.bootstrap import Service, model_store, running
from soutu.client import Client
from soutu.domain.collection import AttributeType, CollectionDraft, Head
from soutu.domain.embedding import Vectors
from soutu.domain.image import Content, Keeping, Metadata, Original
from soutu.domain.model import ModelRef
from soutu.domain.writing import Put
from soutu.observe.metrics import Metrics
from soutu.settings import Settings

DATA = Path(__file__).parent.parent / "build" / "bench" / "data"
COLLECTION = "bench"
_COMMIT = 500
_PATIENCE_S = 600.0


def picture_store(model: Path, count: int) -> Path:
    """`count` pictures under the model of that folder, built through the service, their index optimised."""
    ref = card_of(model).ref
    directory = DATA / f"{ref}-{count}-pictures"
    if not directory.exists():
        with made_whole(directory) as partial:
            build(partial, model, count)
            asyncio.run(settle(partial))
    return directory


@dataclass(frozen=True)
class Described:
    """What is said of stored vectors: the attributes, and the metadata by row. `name` is its directory's."""

    name: str
    attributes: Mapping[str, AttributeType]
    metadata: Callable[[int], Metadata]


def _as_ever(row: int) -> Metadata:
    return Metadata(title=f"Picture {row}", tags=("bench", f"tag-{row % 50}"))


PLAIN = Described("vectors", {}, _as_ever)


def vector_store(model: Path, vectors: Vectors, described: Described = PLAIN) -> Path:
    """Images without bytes, "v0" and so on, that have these unit vectors (n, dimension) under the model.

    For figures that do not depend on how the rows came about: they are committed to the catalogue as an
    upload commits them, and the index follows.
    """
    ref = card_of(model).ref
    directory = DATA / f"{ref}-{len(vectors)}-{described.name}"
    if not directory.exists():
        with made_whole(directory) as partial:
            add_model(partial, model)
            asyncio.run(commit_vectors(partial, ref, vectors, described))
            asyncio.run(settle(partial))
    return directory


@contextmanager
def made_whole(directory: Path) -> Iterator[Path]:
    """A place that becomes `directory` when all went well."""
    partial = directory.with_name(f"{directory.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    print(f"filling {directory.name}, once", flush=True)
    yield partial
    partial.rename(directory)


def add_model(data: Path, model: Path) -> None:
    """Adds a model's folder; the bundled one is there anyway."""
    model_store(Settings(data_dir=data)).add(model)


def build(data: Path, model: Path, count: int) -> None:
    """Builds the collection from the first `count` pictures, by reference; AssertionError where one fails."""
    add_model(data, model)
    patterns = stored_pictures(count)
    with serving(data, BUILD_ROOTS=str(PICTURES)) as server, Client(server.address) as client:
        client.collections.create(COLLECTION, model=f"models/{card_of(model).ref}")
        built = client.collections.build(COLLECTION, PICTURES / "stored", include=patterns).wait()
    assert not built.failed, f"{built.failed} pictures could not be built"


async def settle(data: Path) -> None:
    """Has every index follow its catalogue to the end, and its search structures built."""
    async with opened(data) as service:
        revisions = {each.uid: each.revision for each in await service.adapters.catalog.collections("", 100)}
        for generation in await service.adapters.catalog.generations():
            revision = revisions[generation.collection_uid]
            assert await service.stories.followers.reached(generation, revision, _PATIENCE_S)
            await service.adapters.index.optimize(generation.uid)


async def commit_vectors(data: Path, model: ModelRef, vectors: Vectors, described: Described = PLAIN) -> None:
    async with opened(data) as service:
        catalog = service.adapters.catalog
        draft = CollectionDraft(COLLECTION, model, vectors.shape[1], attributes=described.attributes)
        await catalog.create_collection(draft)
        head = await catalog.head(COLLECTION)
        for first in range(0, len(vectors), _COMMIT):
            rows = range(first, min(first + _COMMIT, len(vectors)))
            puts = [put(head, row, vectors, described.metadata(row)) for row in rows]
            await catalog.commit(head.collection.uid, puts)


def put(head: Head, row: int, vectors: Vectors, metadata: Metadata) -> Put:
    return Put(
        image_id=f"v{row}",
        content=Content(hashlib.sha256(str(row).encode()).hexdigest(), 80_000, 500, 375, "image/jpeg"),
        original=Original(Keeping.STORED),
        metadata=metadata,
        embeddings={head.generation.model: vectors[row]},
    )


@asynccontextmanager
async def opened(data: Path) -> AsyncIterator[Service]:
    """The service on the data directory, in this process and without a server."""
    directory = DataDirectory.open(data)
    try:
        async with running(Settings(data_dir=data), directory, Metrics()) as service:
            yield service
    finally:
        directory.close()

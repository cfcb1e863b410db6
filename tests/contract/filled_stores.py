"""A catalogue and two indexes that hold the same images, for one example after the other."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from soutu.adapters.catalog import SqlCatalog
from soutu.adapters.vectors.exact import ExactIndex
from soutu.domain.collection import AttributeType, Collection, IndexSpec
from soutu.domain.fields import fields_of
from soutu.domain.filter import Filter
from soutu.domain.image import Image
from soutu.domain.query import Point, Scope
from soutu.domain.writing import Put
from soutu.ports import VectorIndex
from tests.contract.catalog_fixtures import DRAFT, vector

GENERATION = 1
MANY = 1_000
Schema = Mapping[str, AttributeType]


@dataclass(frozen=True)
class Stores:
    world: "World"
    collection: Collection
    images: Sequence[Image]

    @property
    def catalog(self) -> SqlCatalog:
        return self.world.catalog

    async def found(self, index: VectorIndex, filter_: Filter) -> set[int]:
        (found,) = await index.nearest(GENERATION, vector(0)[None], MANY, scope=Scope(filter_))
        return {each.uid for each in found}


class World:
    """The stores, open for a whole test: an example has a collection of its own, and the indexes alone."""

    def __init__(
        self, runner: asyncio.Runner, catalog: SqlCatalog, engine: VectorIndex, most_examples: int
    ) -> None:
        self.most_examples = most_examples
        self.run = runner.run
        self.catalog = catalog
        self.engine = engine
        self.exact: VectorIndex = ExactIndex()
        self._numbers = itertools.count(1)

    @asynccontextmanager
    async def filled(self, schema: Schema, puts: Sequence[Put]) -> AsyncIterator["Stores"]:
        """All stores, holding the same images."""
        number = next(self._numbers)
        draft = replace(DRAFT, id=f"c{number}", attributes=schema)
        collection = await self.catalog.create_collection(draft)
        await self.catalog.commit(collection.uid, puts)
        images = await self.catalog.list_images(collection.uid, "", MANY)
        points = [Point(image.uid, 1, vector(image.uid), fields_of(image)) for image in images]
        for index in (self.engine, self.exact):
            await index.open(GENERATION, 4, IndexSpec())
            await index.write(GENERATION, points, [])
        try:
            yield Stores(self, collection, images)
        finally:
            for index in (self.engine, self.exact):
                await index.write(GENERATION, [], [image.uid for image in images])

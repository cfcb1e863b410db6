"""Comparing two pictures, and embedding pictures without searching."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from soutu.domain.collection import Head
from soutu.domain.embedding import Vector
from soutu.domain.errors import SoutuError
from soutu.domain.model import ModelRef
from soutu.domain.query import Subject
from soutu.observe.stages import Stages
from soutu.ports import Catalog, ModelStore
from soutu.search.embedding import QueryEmbedder


@dataclass(frozen=True, slots=True)
class Space:
    """The embedding space that a call works in: a model, and the collection it was named by, if any."""

    model: ModelRef
    head: Head | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """How alike two subjects are: the inner product of their unit vectors."""

    score: float
    space: Space
    stages_s: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Embeddings:
    """One unit vector per subject, in order."""

    vectors: tuple[Vector, ...]
    space: Space
    stages_s: Mapping[str, float] = field(default_factory=dict)


class Comparisons:
    """The compare and embed stories."""

    def __init__(self, catalog: Catalog, models: ModelStore, embedder: QueryEmbedder) -> None:
        self._catalog = catalog
        self._models = models
        self._embedder = embedder

    async def space_of_collection(self, collection_id: str, generation_id: str) -> Space:
        """The space of a collection's active or named generation."""
        head = await self._catalog.head(collection_id, generation_id)
        return Space(head.generation.model, head)

    def space_of_model(self, name: str) -> Space:
        """The space of `name@version`, or of the newest version of `name`."""
        return Space(self._models.card(name).ref)

    async def compare(self, space: Space, first: Subject, second: Subject) -> Comparison:
        """How alike two subjects are."""
        embedded = await self.embed(space, [first, second], names=["first", "second"])
        one, other = embedded.vectors
        return Comparison(float(one @ other), space, embedded.stages_s)

    async def embed(self, space: Space, subjects: Sequence[Subject], names: Sequence[str]) -> Embeddings:
        """The vectors of the subjects; an error tells in `field` which of `names` it is about."""
        stages = Stages()
        vectors = await asyncio.gather(
            *(self._one(space, subject, stages, name) for subject, name in zip(subjects, names, strict=True))
        )
        return Embeddings(tuple(vectors), space, stages.seconds)

    async def _one(self, space: Space, subject: Subject, stages: Stages, name: str) -> Vector:
        try:
            return await self._embedder.subject(space.model, subject, stages, space.head)
        except SoutuError as error:
            raise SoutuError(error.reason, error.message, **{**error.metadata, "field": name}) from error

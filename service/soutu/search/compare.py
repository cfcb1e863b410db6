"""Comparing two pictures or texts, and embedding them without searching."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from soutu.domain.cards import embedding_model
from soutu.domain.collection import Head
from soutu.domain.embedding import Vector
from soutu.domain.errors import SoutuError
from soutu.domain.model import ModelRef
from soutu.domain.query import TEXT_CUT, Degradation, GivenText, GivenVector, Subject
from soutu.observe.stages import Stages
from soutu.ports import Catalog, ModelStore
from soutu.search.embedding import Meaning, QueryEmbedder


@dataclass(frozen=True, slots=True)
class Space:
    """The embedding space that a call works in: a model, and the collection it was named by, if any."""

    model: ModelRef
    head: Head | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """How alike two subjects are: the inner product of their unit vectors, and the chance that they show the
    same, None where the model is not calibrated for such a pair."""

    score: float
    space: Space
    probability: float | None = None
    stages_s: Mapping[str, float] = field(default_factory=dict)
    degraded: tuple[Degradation, ...] = ()


@dataclass(frozen=True, slots=True)
class Embeddings:
    """One unit vector per subject, in order, and the places of texts whose ends were left out."""

    vectors: tuple[Vector, ...]
    space: Space
    stages_s: Mapping[str, float] = field(default_factory=dict)
    cut: tuple[int, ...] = ()


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
        """The space of `name@version`, or of the newest version of `name`; MODEL_NOT_EMBEDDING."""
        return Space(embedding_model(self._models.card(name)).ref)

    async def compare(self, space: Space, first: Subject, second: Subject) -> Comparison:
        """How alike two subjects are."""
        embedded = await self.embed(space, [first, second], names=["first", "second"])
        one, other = embedded.vectors
        score, degraded = float(one @ other), (TEXT_CUT,) if embedded.cut else ()
        chance = self._embedder.chance(space.model, score) if _is_pair(first, second) else None
        return Comparison(score, space, chance, embedded.stages_s, degraded)

    async def embed(self, space: Space, subjects: Sequence[Subject], names: Sequence[str]) -> Embeddings:
        """The vectors of the subjects; an error tells in `field` which of `names` it is about."""
        stages = Stages()
        meanings = await asyncio.gather(
            *(self._one(space, subject, stages, name) for subject, name in zip(subjects, names, strict=True))
        )
        cut = tuple(place for place, each in enumerate(meanings) if each.cut)
        return Embeddings(tuple(each.vector for each in meanings), space, stages.seconds, cut)

    async def _one(self, space: Space, subject: Subject, stages: Stages, name: str) -> Meaning:
        try:
            return await self._embedder.subject(space.model, subject, stages, space.head)
        except SoutuError as error:
            raise SoutuError(error.reason, error.message, **{**error.metadata, "field": name}) from error


def _is_pair(first: Subject, second: Subject) -> bool:
    """Whether the one is a text and the other a picture; nobody knows what a given vector is of."""
    known = not any(isinstance(each, GivenVector) for each in (first, second))
    return known and isinstance(first, GivenText) != isinstance(second, GivenText)

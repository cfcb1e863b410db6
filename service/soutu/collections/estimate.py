"""What building a generation would take."""

import time
from dataclasses import dataclass

import numpy as np

from soutu.domain.collection import GenerationDraft
from soutu.ports import Catalog, Embedder, ModelStore

_TRIAL = 8  # pictures embedded to learn the model's speed
_DECODE_S = 0.005  # per picture, on one core, before embedding
_INDEX_S = 0.001  # per image, on one core
_GRAPH_BYTES = 400  # per image, links and payload
_VECTOR_BYTES = 2  # per component, float16


@dataclass(frozen=True, slots=True)
class Estimate:
    """Work and room that a generation would need; rough, but of the right size."""

    images_to_embed: int
    seconds: float
    disk_bytes: int
    memory_bytes: int


class Estimates:
    """Looks at the collection and tries the model."""

    def __init__(self, catalog: Catalog, models: ModelStore, embedder: Embedder, cores: int) -> None:
        self._catalog = catalog
        self._models = models
        self._embedder = embedder
        self._cores = cores

    async def estimate(self, collection_id: str, draft: GenerationDraft) -> Estimate:
        """What it would take to build the draft for this collection."""
        head = await self._catalog.head(collection_id)
        images = head.collection.image_count
        missing = await self._catalog.unembedded(head.collection.uid, draft.model)
        picture_s = await self._picture_s(draft) + _DECODE_S / self._cores if missing else 0.0
        vectors = images * (draft.dimension * _VECTOR_BYTES + _GRAPH_BYTES)
        stored = missing * draft.dimension * _VECTOR_BYTES
        return Estimate(
            images_to_embed=missing,
            seconds=missing * picture_s + images * _INDEX_S / self._cores,
            disk_bytes=vectors + stored,
            memory_bytes=vectors,
        )

    async def _picture_s(self, draft: GenerationDraft) -> float:
        spec = self._models.card(str(draft.model)).input
        noise = np.random.default_rng().integers(0, 256, (_TRIAL, spec.height, spec.width, 3), np.uint8)
        await self._embedder.embed(draft.model, noise[:1])  # loads the model
        begun_s = time.perf_counter()
        await self._embedder.embed(draft.model, noise[1:])
        return (time.perf_counter() - begun_s) / (_TRIAL - 1)

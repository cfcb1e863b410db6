"""An Embedder that counts what it does: a wrapper around another one."""

from collections.abc import Awaitable, Set

import numpy as np
from numpy.typing import NDArray

from soutu.adapters.inference.checks import BadVectorsError
from soutu.domain.embedding import Vectors
from soutu.domain.model import ModelRef
from soutu.observe.logs import logger
from soutu.observe.metrics import Metrics
from soutu.ports import Embedder

_log = logger(__name__)


class CountedEmbedder:
    """Counts the pictures, and the texts, that the wrapped embedder has made vectors of, and raises an alarm
    (a metric, and a line of level `error`) where a model answers with anything else."""

    def __init__(self, embedder: Embedder, metrics: Metrics) -> None:
        self._embedder = embedder
        self._metrics = metrics

    async def embed(self, model: ModelRef, pixels: NDArray[np.uint8]) -> Vectors:
        """As Embedder."""
        vectors = await self._watched(model, self._embedder.embed(model, pixels))
        self._metrics.embedded(str(model), len(vectors))
        return vectors

    async def embed_texts(self, model: ModelRef, tokens: NDArray[np.int64]) -> Vectors:
        """As Embedder."""
        vectors = await self._watched(model, self._embedder.embed_texts(model, tokens))
        self._metrics.texts_embedded(str(model), len(vectors))
        return vectors

    async def _watched(self, model: ModelRef, embedding: Awaitable[Vectors]) -> Vectors:
        try:
            return await embedding
        except BadVectorsError as error:
            self._metrics.bad_vectors(str(model))
            _log.error("bad vectors", model=str(model), problem=error.message)
            raise

    async def load(self, model: ModelRef) -> None:
        """As Embedder."""
        await self._embedder.load(model)

    async def unload(self, model: ModelRef) -> None:
        """As Embedder."""
        await self._embedder.unload(model)

    async def loaded(self) -> Set[ModelRef]:
        """As Embedder."""
        return await self._embedder.loaded()

    async def ping(self) -> None:
        """As the wrapped embedder."""
        await self._embedder.ping()

    async def close(self) -> None:
        """Closes the wrapped embedder."""
        await self._embedder.close()

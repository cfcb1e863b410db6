"""An Embedder that counts what it does: a wrapper around another one."""

import numpy as np
from numpy.typing import NDArray

from soutu.domain.embedding import Vectors
from soutu.domain.model import ModelRef
from soutu.observe.metrics import Metrics
from soutu.ports import Embedder


class CountedEmbedder:
    """Counts the pictures that the wrapped embedder has made vectors of."""

    def __init__(self, embedder: Embedder, metrics: Metrics) -> None:
        self._embedder = embedder
        self._metrics = metrics

    async def embed(self, model: ModelRef, pixels: NDArray[np.uint8]) -> Vectors:
        """As Embedder."""
        vectors = await self._embedder.embed(model, pixels)
        self._metrics.embedded(str(model), len(vectors))
        return vectors

    async def ping(self) -> None:
        """As the wrapped embedder."""
        await self._embedder.ping()

    async def close(self) -> None:
        """Closes the wrapped embedder."""
        await self._embedder.close()

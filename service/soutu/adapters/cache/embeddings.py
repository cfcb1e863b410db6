"""An Embedder that remembers: a wrapper around another one."""

import hashlib
from collections.abc import Set

import numpy as np
from numpy.typing import NDArray

from soutu.domain.embedding import Vector, Vectors, from_bytes, rounded, to_bytes
from soutu.domain.model import ModelRef
from soutu.observe.metrics import Metrics
from soutu.ports import Cache, Embedder


class CachedEmbedder:
    """Keeps embeddings under their model version and the sha256 of the fitted pixels, as float16: every
    vector it answers with is rounded so, remembered or not."""

    def __init__(self, embedder: Embedder, cache: Cache, metrics: Metrics) -> None:
        self._embedder = embedder
        self._cache = cache
        self._metrics = metrics

    async def embed(self, model: ModelRef, pixels: NDArray[np.uint8]) -> Vectors:
        """As Embedder; pictures that are known are not run through the model."""
        keys = [_key(model, picture) for picture in pixels]
        known = [await self._cache.get(key) for key in keys]
        missing = [place for place, value in enumerate(known) if value is None]
        for value in known:
            self._metrics.cache_read("embeddings", value is not None)
        if not missing:
            return np.stack([from_bytes(value) for value in known if value is not None])
        fresh = rounded(
            await self._embedder.embed(model, pixels if len(missing) == len(keys) else pixels[missing])
        )
        for place, vector in zip(missing, fresh, strict=True):
            known[place] = await self._kept(keys[place], vector)
        return np.stack([from_bytes(value) for value in known if value is not None])

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

    async def _kept(self, key: bytes, vector: Vector) -> bytes:
        value = to_bytes(vector)
        await self._cache.put(key, value)
        return value


def _key(model: ModelRef, picture: NDArray[np.uint8]) -> bytes:
    height, width, _ = picture.shape
    digest = hashlib.sha256(np.ascontiguousarray(picture).data).digest()
    return f"embedding:{model}:{width}x{height}:".encode() + digest

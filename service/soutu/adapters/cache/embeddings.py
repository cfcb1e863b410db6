"""An Embedder that remembers: a wrapper around another one."""

import hashlib
from collections.abc import Awaitable, Callable, Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soutu.domain.embedding import Vector, Vectors, from_bytes, rounded, to_bytes
from soutu.domain.model import ModelRef
from soutu.observe.metrics import Metrics
from soutu.ports import Cache, Embedder


class CachedEmbedder:
    """Keeps embeddings under their model version and the sha256 of the fitted pixels or the tokens, as
    float16: every vector it answers with is rounded so, remembered or not."""

    def __init__(self, embedder: Embedder, cache: Cache, metrics: Metrics) -> None:
        self._embedder = embedder
        self._cache = cache
        self._metrics = metrics

    async def embed(self, model: ModelRef, pixels: NDArray[np.uint8]) -> Vectors:
        """As Embedder; pictures that are known are not run through the model."""
        return await self._remembered(self._embedder.embed, model, pixels, _picture_key)

    async def embed_texts(self, model: ModelRef, tokens: NDArray[np.int64]) -> Vectors:
        """As Embedder; texts that are known are not run through the model."""
        return await self._remembered(self._embedder.embed_texts, model, tokens, _text_key)

    async def _remembered(
        self,
        embed: Callable[[ModelRef, NDArray[Any]], Awaitable[Vectors]],
        model: ModelRef,
        batch: NDArray[Any],
        key: Callable[[ModelRef, NDArray[Any]], bytes],
    ) -> Vectors:
        keys = [key(model, single) for single in batch]
        known = [await self._cache.get(key) for key in keys]
        missing = [place for place, value in enumerate(known) if value is None]
        for value in known:
            self._metrics.cache_read("embeddings", value is not None)
        if not missing:
            return np.stack([from_bytes(value) for value in known if value is not None])
        fresh = rounded(await embed(model, batch if len(missing) == len(keys) else batch[missing]))
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


def _picture_key(model: ModelRef, picture: NDArray[np.uint8]) -> bytes:
    height, width, _ = picture.shape
    return f"embedding:{model}:{width}x{height}:".encode() + _digest(picture)


def _text_key(model: ModelRef, tokens: NDArray[np.int64]) -> bytes:
    return f"text:{model}:{len(tokens)}:".encode() + _digest(tokens.astype("<i8"))


def _digest(values: NDArray[Any]) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(values).data).digest()

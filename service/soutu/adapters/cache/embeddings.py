"""An Embedder that remembers: a wrapper around another one."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soutu.domain.embedding import Vectors, from_bytes, rounded, to_bytes
from soutu.domain.model import ModelRef
from soutu.observe.metrics import Metrics
from soutu.ports import Cache, Embedder


class CachedEmbedder:
    """Keeps embeddings under their model version and the sha256 of the fitted pixels or the tokens, as
    float16: every vector it answers with is rounded so, remembered or not. What several calls ask for at the
    same time is made by one of them."""

    def __init__(self, embedder: Embedder, cache: Cache, metrics: Metrics) -> None:
        self._embedder = embedder
        self._cache = cache
        self._metrics = metrics
        self._making: dict[bytes, asyncio.Future[bytes | None]] = {}

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
        known = [await self._known(key) for key in keys]
        for value in known:
            self._metrics.cache_read("embeddings", value is not None)
        missing = [place for place, value in enumerate(known) if value is None]
        if missing:
            with self._making_known([keys[place] for place in missing]) as tell:
                fresh = rounded(await embed(model, batch if len(missing) == len(keys) else batch[missing]))
                made = [to_bytes(vector) for vector in fresh]
                tell(made)
                for place, value in zip(missing, made, strict=True):
                    known[place] = value
                    await self._cache.put(keys[place], value)
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

    async def _known(self, key: bytes) -> bytes | None:
        """The embedding under the key, as the cache has it or as another call is just making it; None where
        there is none, or that call has failed."""
        kept = await self._cache.get(key)
        if kept is None and (making := self._making.get(key)):
            await asyncio.wait([making])
            return making.result()
        return kept

    @contextmanager
    def _making_known(self, keys: Sequence[bytes]) -> Iterator[Callable[[Sequence[bytes]], None]]:
        """Surrounds the making of embeddings, for which other calls wait; gives what tells them."""
        making = {key: asyncio.get_running_loop().create_future() for key in keys if key not in self._making}
        self._making.update(making)

        def tell(made: Sequence[bytes]) -> None:
            for key, value in zip(keys, made, strict=True):
                if key in making and not making[key].done():
                    making[key].set_result(value)

        try:
            yield tell
        finally:
            for key, told in making.items():
                del self._making[key]
                if not told.done():
                    told.set_result(None)


def _picture_key(model: ModelRef, picture: NDArray[np.uint8]) -> bytes:
    height, width, _ = picture.shape
    return f"embedding:{model}:{width}x{height}:".encode() + _digest(picture)


def _text_key(model: ModelRef, tokens: NDArray[np.int64]) -> bytes:
    return f"text:{model}:{len(tokens)}:".encode() + _digest(tokens.astype("<i8"))


def _digest(values: NDArray[Any]) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(values).data).digest()

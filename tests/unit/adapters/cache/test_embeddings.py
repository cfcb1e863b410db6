"""Vectors of pictures and of texts are remembered, apart from each other and from other models'."""

from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from soutu.adapters.cache.embeddings import CachedEmbedder
from soutu.adapters.cache.memory import MemoryCache
from soutu.domain.embedding import Vectors, rounded
from soutu.domain.model import ModelRef
from soutu.observe.metrics import Metrics
from soutu.ports import Embedder

MODEL, OTHER = ModelRef("words", "1"), ModelRef("words", "2")
TOKENS = np.arange(12, dtype=np.int64).reshape(3, 4)
PIXELS = np.arange(3 * 12, dtype=np.uint8).reshape(3, 2, 2, 3)


class Counting:
    """Embeds by sums, and counts what it has embedded."""

    def __init__(self) -> None:
        self.pictures = 0
        self.texts = 0

    async def embed(self, model: ModelRef, pixels: NDArray[np.uint8]) -> Vectors:
        self.pictures += len(pixels)
        return _vectors(pixels.reshape(len(pixels), -1).sum(axis=1))

    async def embed_texts(self, model: ModelRef, tokens: NDArray[np.int64]) -> Vectors:
        self.texts += len(tokens)
        return _vectors(tokens.sum(axis=1))


def _vectors(angles: NDArray[np.int64]) -> Vectors:
    return np.stack([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


@pytest.fixture
def counting() -> Counting:
    return Counting()


@pytest.fixture
def embedder(counting: Counting) -> CachedEmbedder:
    return CachedEmbedder(cast(Embedder, counting), MemoryCache(1_000_000), Metrics())


async def test_a_known_text_is_not_embedded_again(embedder: CachedEmbedder, counting: Counting) -> None:
    first = await embedder.embed_texts(MODEL, TOKENS[:2])
    again = await embedder.embed_texts(MODEL, TOKENS)

    assert counting.texts == 3
    np.testing.assert_array_equal(again[:2], first)
    np.testing.assert_array_equal(again, rounded(_vectors(TOKENS.sum(axis=1))))


async def test_texts_of_another_model_are_others(embedder: CachedEmbedder, counting: Counting) -> None:
    await embedder.embed_texts(MODEL, TOKENS)
    await embedder.embed_texts(OTHER, TOKENS)

    assert counting.texts == 6


async def test_texts_and_pictures_do_not_meet(embedder: CachedEmbedder, counting: Counting) -> None:
    await embedder.embed(MODEL, PIXELS)
    await embedder.embed_texts(MODEL, TOKENS)
    await embedder.embed(MODEL, PIXELS[::-1])

    assert (counting.pictures, counting.texts) == (3, 3)

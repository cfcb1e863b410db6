"""Vectors of pictures and of texts are remembered, apart from each other and from other models'."""

import asyncio
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
        self.go = asyncio.Event()
        self.go.set()
        self.fails = False

    async def embed(self, model: ModelRef, pixels: NDArray[np.uint8]) -> Vectors:
        self.pictures += len(pixels)
        await self.go.wait()
        if self.fails:
            raise ValueError("no model")
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


async def test_what_several_ask_for_at_the_same_time_is_embedded_once(
    embedder: CachedEmbedder, counting: Counting
) -> None:
    counting.go.clear()
    asked = [asyncio.create_task(embedder.embed(MODEL, PIXELS[first:])) for first in (0, 0, 1, 2)]
    await asyncio.sleep(0.01)
    counting.go.set()
    answers = await asyncio.gather(*asked)

    assert counting.pictures == 3
    for first, vectors in zip((0, 0, 1, 2), answers, strict=True):
        np.testing.assert_array_equal(vectors, answers[0][first:])


async def test_pictures_that_are_alike_in_one_batch_are_no_others(
    embedder: CachedEmbedder, counting: Counting
) -> None:
    vectors = await embedder.embed(MODEL, PIXELS[[0, 1, 0]])

    assert counting.pictures == 3
    np.testing.assert_array_equal(vectors[0], vectors[2])


async def test_whoever_waits_for_one_that_fails_tries_by_himself(
    embedder: CachedEmbedder, counting: Counting
) -> None:
    counting.go.clear()
    counting.fails = True
    failing = asyncio.create_task(embedder.embed(MODEL, PIXELS))
    await asyncio.sleep(0.01)
    waiting = asyncio.create_task(embedder.embed(MODEL, PIXELS))
    await asyncio.sleep(0.01)
    counting.go.set()
    with pytest.raises(ValueError, match="no model"):
        await failing
    counting.fails = False
    assert len(await waiting) == len(PIXELS)
    assert counting.pictures == 6

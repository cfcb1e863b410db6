"""What a model embeds is counted, once it is done."""

from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from soutu.adapters.inference.checks import check_vectors
from soutu.adapters.inference.counted import CountedEmbedder
from soutu.domain.embedding import Vectors
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.model import InputSpec, ModelCard, ModelRef, Task
from soutu.observe.metrics import Metrics
from soutu.ports import Embedder

MODEL = ModelRef("shape", "1")
CARD = ModelCard(MODEL, Task.EMBED_IMAGE, 3, InputSpec(2, 2), "none", "Apache-2.0", "a test", "0" * 64)


class Ones:
    """Embeds everything alike, or fails."""

    failing = False

    async def embed(self, model: ModelRef, pixels: NDArray[np.uint8]) -> Vectors:
        if self.failing:
            raise SoutuError(Reason.INFERENCE_UNAVAILABLE)
        return np.ones((len(pixels), 1), np.float32)

    async def embed_texts(self, model: ModelRef, tokens: NDArray[np.int64]) -> Vectors:
        return np.ones((len(tokens), 1), np.float32)


async def test_pictures_are_counted_and_failures_are_not() -> None:
    metrics, ones = Metrics(), Ones()
    embedder = CountedEmbedder(cast(Embedder, ones), metrics)
    assert len(await embedder.embed(MODEL, np.zeros((3, 2, 2, 3), np.uint8))) == 3
    assert len(await embedder.embed_texts(MODEL, np.zeros((2, 9), np.int64))) == 2
    ones.failing = True
    with pytest.raises(SoutuError):
        await embedder.embed(MODEL, np.zeros((3, 2, 2, 3), np.uint8))
    value = metrics.registry.get_sample_value
    assert value("soutu_images_embedded_total", {"model": "shape@1"}) == 3
    assert value("soutu_texts_embedded_total", {"model": "shape@1"}) == 2


class Zeros:
    """A broken model: it answers with zero vectors."""

    async def embed(self, model: ModelRef, pixels: NDArray[np.uint8]) -> Vectors:
        vectors = np.zeros((len(pixels), CARD.dimension), np.float32)
        check_vectors(CARD, vectors, len(pixels))
        return vectors


async def test_what_is_no_unit_vector_is_counted_apart_and_refused() -> None:
    metrics = Metrics()
    embedder = CountedEmbedder(cast(Embedder, Zeros()), metrics)
    with pytest.raises(SoutuError, match="does not answer with unit vectors") as failure:
        await embedder.embed(CARD.ref, np.zeros((1, 2, 2, 3), np.uint8))
    assert failure.value.reason is Reason.INFERENCE_UNAVAILABLE
    value = metrics.registry.get_sample_value
    assert value("soutu_bad_vectors_total", {"model": "shape@1"}) == 1
    assert value("soutu_images_embedded_total", {"model": "shape@1"}) is None

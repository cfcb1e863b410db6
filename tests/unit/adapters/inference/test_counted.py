"""What a model embeds is counted, once it is done."""

from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from soutu.adapters.inference.counted import CountedEmbedder
from soutu.domain.embedding import Vectors
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.model import ModelRef
from soutu.observe.metrics import Metrics
from soutu.ports import Embedder

MODEL = ModelRef("shape", "1")


class Ones:
    """Embeds everything alike, or fails."""

    failing = False

    async def embed(self, model: ModelRef, pixels: NDArray[np.uint8]) -> Vectors:
        if self.failing:
            raise SoutuError(Reason.INFERENCE_UNAVAILABLE)
        return np.ones((len(pixels), 1), np.float32)


async def test_pictures_are_counted_and_failures_are_not() -> None:
    metrics, ones = Metrics(), Ones()
    embedder = CountedEmbedder(cast(Embedder, ones), metrics)
    assert len(await embedder.embed(MODEL, np.zeros((3, 2, 2, 3), np.uint8))) == 3
    ones.failing = True
    with pytest.raises(SoutuError):
        await embedder.embed(MODEL, np.zeros((3, 2, 2, 3), np.uint8))
    assert metrics.registry.get_sample_value("soutu_images_embedded_total", {"model": "shape@1"}) == 3

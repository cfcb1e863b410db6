"""What only the ONNX Runtime adapter promises: when it loads, how it shares its threads, how it fails."""

import asyncio
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from soutu.adapters.inference.onnx import OnnxEmbedder
from soutu.domain.embedding import all_units
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.model import ModelCard, ModelRef
from tests.contract.embedders import SIDE, mean_colour_model, random_pixels, write_model


class SlowModels:
    """A store of one model whose artefact is handed out when `ready` is set; counts how often."""

    def __init__(self, card: ModelCard, root: Path) -> None:
        self.ready = threading.Event()
        self.handed_out = 0
        self.priority = 0
        self._card = card
        self._path = root / card.ref.name / card.ref.version / card.artefact

    def list(self) -> Sequence[ModelCard]:
        return (self._card,)

    def card(self, name: str) -> ModelCard:
        return self._card

    def artefact(self, ref: ModelRef) -> Path:
        assert self.ready.wait(timeout=10)
        self.handed_out += 1
        self.priority = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        return self._path

    def text_artefact(self, ref: ModelRef) -> Path:
        raise NotImplementedError

    def tokenizer(self, ref: ModelRef) -> Path:
        raise NotImplementedError

    def add(self, folder: Path) -> ModelCard:
        raise NotImplementedError


@pytest.fixture
def models(tmp_path: Path) -> SlowModels:
    return SlowModels(write_model(tmp_path, "mean-colour", mean_colour_model()), tmp_path)


@pytest.fixture
def ref(models: SlowModels) -> ModelRef:
    return models.card("").ref


async def test_callers_share_one_loading_also_when_the_first_gives_up(
    models: SlowModels, ref: ModelRef
) -> None:
    embedder = OnnxEmbedder(models, threads=2)
    calls = [asyncio.create_task(embedder.embed(ref, random_pixels(1, SIDE))) for _ in range(4)]
    await asyncio.sleep(0)
    calls[0].cancel()
    await asyncio.sleep(0)
    models.ready.set()

    answers = await asyncio.gather(*calls, return_exceptions=True)

    assert isinstance(answers[0], asyncio.CancelledError)
    assert all(isinstance(answer, np.ndarray) and all_units(answer) for answer in answers[1:])
    assert models.handed_out == 1
    await embedder.close()


async def test_models_run_in_threads_that_the_event_loop_goes_before(
    models: SlowModels, ref: ModelRef
) -> None:
    embedder = OnnxEmbedder(models, threads=1)
    models.ready.set()
    await embedder.embed(ref, random_pixels(1, SIDE))
    assert models.priority > os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    await embedder.close()


async def test_a_failed_loading_is_tried_again(models: SlowModels, ref: ModelRef, tmp_path: Path) -> None:
    models.ready.set()
    artefact = models.artefact(ref)
    artefact.rename(tmp_path / "aside")
    embedder = OnnxEmbedder(models, threads=1)

    with pytest.raises(SoutuError, match="cannot be loaded") as error:
        await embedder.embed(ref, random_pixels(1, SIDE))
    (tmp_path / "aside").rename(artefact)

    assert error.value.reason is Reason.INFERENCE_UNAVAILABLE
    assert all_units(await embedder.embed(ref, random_pixels(1, SIDE)))
    await embedder.close()


@pytest.mark.parametrize("wrong", ["not unit", "not a number", "dimension"])
async def test_a_wrong_answer_is_never_passed_on(tmp_path: Path, wrong: str) -> None:
    content = mean_colour_model(scale_by_length=wrong != "not unit")
    models = SlowModels(write_model(tmp_path, "bad", content, 4 if wrong == "dimension" else 3), tmp_path)
    models.ready.set()
    embedder = OnnxEmbedder(models, threads=2)
    pixels = random_pixels(9, SIDE)
    if wrong == "not a number":
        pixels[5] = 0

    with pytest.raises(SoutuError, match="unit vectors") as error:
        await embedder.embed(models.card("").ref, pixels)

    assert error.value.reason is Reason.INFERENCE_UNAVAILABLE
    await embedder.close()


async def test_a_single_query_overtakes_a_large_batch(models: SlowModels, ref: ModelRef) -> None:
    models.ready.set()
    embedder = OnnxEmbedder(models, threads=1)
    batch = asyncio.create_task(embedder.embed(ref, random_pixels(4_000, SIDE)))
    await asyncio.sleep(0.01)

    await embedder.embed(ref, random_pixels(1, SIDE))

    assert not batch.done()
    assert len(await batch) == 4_000
    await embedder.close()


async def test_closing_ends_a_batch_with_a_clear_reason(models: SlowModels, ref: ModelRef) -> None:
    models.ready.set()
    embedder = OnnxEmbedder(models, threads=2)
    await embedder.embed(ref, random_pixels(1, SIDE))
    batch = asyncio.create_task(embedder.embed(ref, random_pixels(40_000, SIDE)))
    await asyncio.sleep(0.01)
    await embedder.close()

    with pytest.raises(SoutuError) as error:
        await batch

    assert error.value.reason is Reason.SHUTTING_DOWN

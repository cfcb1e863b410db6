"""The Embedder on a real Triton that stands still, lacks models, or has models that answer nonsense."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from scripts import triton_repository
from scripts.stack.running import Running
from soutu.adapters.inference.triton import TritonEmbedder
from soutu.domain.embedding import all_units
from soutu.domain.errors import Reason, SoutuError
from tests.contract.embedders import (
    FIRST,
    SIDE,
    bundled_models,
    mean_colour_model,
    random_pixels,
    write_model,
)
from tests.contract.servers import server

pytestmark = pytest.mark.slow
WAIT_S = 1.0
NONSENSE = {
    "nan": "np.full((len(x), 3), np.nan, np.float32)",
    "zero": "np.zeros((len(x), 3), np.float32)",
    "long": "np.ones((len(x), 3), np.float32)",
}
MODEL = """
import numpy as np
import triton_python_backend_utils as triton

class TritonPythonModel:
    def execute(self, requests):
        pixels = [triton.get_input_tensor_by_name(each, "pixels").as_numpy() for each in requests]
        return [triton.InferenceResponse([triton.Tensor("embedding", {answer})]) for x in pixels]
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Triton's place, with the models that ship, and with one for each kind of nonsense."""
    place = tmp_path_factory.mktemp("triton")
    for name in NONSENSE:
        write_model(place / "models", name, mean_colour_model())
    repository = place / "model_repository"
    triton_repository.main([str(repository), "--backend", "python", "--models", str(place / "models")])
    for name, answer in NONSENSE.items():
        (repository / name / "1" / "model.py").write_text(MODEL.replace("{answer}", answer))
    return place


@pytest.fixture(scope="module")
def triton(place: Path) -> Iterator[Running]:
    with server("triton", place) as running:
        yield running


@pytest.fixture
async def embedder(triton: Running, place: Path) -> AsyncIterator[TritonEmbedder]:
    address = triton.settings["SOUTU_INFERENCE_URL"]
    adapter = TritonEmbedder.connected(address, bundled_models(place / "models"), wait_s=WAIT_S)
    yield adapter
    await adapter.close()


async def refusal(embedder: TritonEmbedder) -> SoutuError:
    with pytest.raises(SoutuError) as failure:
        await embedder.embed(FIRST, random_pixels(1, 128))
    assert failure.value.reason is Reason.INFERENCE_UNAVAILABLE
    return failure.value


@pytest.mark.parametrize("name", NONSENSE)
async def test_an_answer_that_is_no_unit_vector_is_refused(
    embedder: TritonEmbedder, place: Path, name: str
) -> None:
    card = bundled_models(place / "models").card(name)
    with pytest.raises(SoutuError, match="does not answer with unit vectors") as failure:
        await embedder.embed(card.ref, random_pixels(2, SIDE))
    assert failure.value.reason is Reason.INFERENCE_UNAVAILABLE


async def test_more_pictures_than_a_request_takes_come_back_in_order(embedder: TritonEmbedder) -> None:
    pixels = random_pixels(70, 128)
    together = await embedder.embed(FIRST, pixels)
    assert together.shape == (70, 595)
    for row in (0, 31, 32, 69):
        alone = (await embedder.embed(FIRST, pixels[row : row + 1]))[0]
        assert together[row] @ alone == pytest.approx(1, abs=1e-5)


async def test_a_model_that_was_unloaded_is_loaded_again(embedder: TritonEmbedder) -> None:
    assert all_units(await embedder.embed(FIRST, random_pixels(1, 128)))
    await embedder._client.unload_model(FIRST.name)
    async with asyncio.timeout(10):
        while await embedder._client.is_model_ready(FIRST.name):
            await asyncio.sleep(0.05)
    await refusal(embedder)
    assert all_units(await embedder.embed(FIRST, random_pixels(1, 128)))


async def test_a_server_that_stands_still_is_waited_for_once_and_found_again(
    embedder: TritonEmbedder, triton: Running
) -> None:
    assert all_units(await embedder.embed(FIRST, random_pixels(1, 128)))
    os.kill(triton.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        await refusal(embedder)
        assert time.monotonic() - began < 3 * WAIT_S
        began = time.monotonic()
        assert "is away" in (await refusal(embedder)).message
        assert time.monotonic() - began < 0.1
    finally:
        os.kill(triton.pid, signal.SIGCONT)
    async with asyncio.timeout(20):
        while True:
            try:
                assert all_units(await embedder.embed(FIRST, random_pixels(1, 128)))
                return
            except SoutuError:
                await asyncio.sleep(0.1)


async def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    embedder = TritonEmbedder.connected("127.0.0.1:1", bundled_models(tmp_path), wait_s=WAIT_S)
    await refusal(embedder)
    await embedder.close()

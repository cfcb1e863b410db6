"""The Embedder on a real Triton that stands still, lacks models, or has models that answer nonsense."""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil  # type: ignore[import-untyped]
import pytest

from scripts import triton_repository
from scripts.stack.running import Running
from soutu.adapters.inference.triton import TritonEmbedder
from soutu.domain.cards import CARD_FILE, card_text
from soutu.domain.embedding import all_units
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.model import BatchSizes, ModelRef
from soutu.observe.deadlines import awaited
from soutu.observe.logs import request_scope
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
UNUSED_S = 2.0
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
# Takes its time, and writes down which request it runs.
SLOW = """
import pathlib
import time
import numpy as np
import triton_python_backend_utils as triton

class TritonPythonModel:
    def execute(self, requests):
        time.sleep(0.3)
        with open(pathlib.Path(__file__).with_name("requests.txt"), "a") as log:
            log.writelines(f"{each.request_id()}\\n" for each in requests)
        pixels = [triton.get_input_tensor_by_name(each, "pixels").as_numpy() for each in requests]
        answers = [np.eye(3, dtype=np.float32)[np.zeros(len(x), int)] for x in pixels]
        return [triton.InferenceResponse([triton.Tensor("embedding", answer)]) for answer in answers]
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Triton's place, with the models that ship, and with one for each kind of nonsense."""
    place = tmp_path_factory.mktemp("triton")
    for name in NONSENSE:
        write_model(place / "models", name, mean_colour_model())
    write_model(place / "models", "slow", mean_colour_model())
    write_model(place / "models", "mean", mean_colour_model())
    write_model(place / "models", "few", mean_colour_model(), batch=BatchSizes(1, 2))
    repository = place / "model_repository"
    write_repository(place)
    for name, answer in NONSENSE.items():
        (repository / name / "1" / "model.py").write_text(MODEL.replace("{answer}", answer))
    (repository / "slow" / "1" / "model.py").write_text(SLOW)
    return place


def write_repository(place: Path) -> None:
    """What Triton is started with and told of later: one instance of every model that there is."""
    triton_repository.main(
        [
            *(str(place / "model_repository"), "--models", str(place / "models")),
            *("--backend", "python", "--instances", "1"),
        ]
    )


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


@pytest.fixture
async def patient(triton: Running, place: Path) -> AsyncIterator[TritonEmbedder]:
    address = triton.settings["SOUTU_INFERENCE_URL"]
    adapter = TritonEmbedder.connected(address, bundled_models(place / "models"), wait_s=60)
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


async def test_more_pictures_than_a_request_takes_come_back_in_order(patient: TritonEmbedder) -> None:
    pixels = random_pixels(70, 128)
    together = await patient.embed(FIRST, pixels)
    assert together.shape == (70, 595)
    for row in (0, 31, 32, 69):
        alone = (await patient.embed(FIRST, pixels[row : row + 1]))[0]
        assert together[row] @ alone == pytest.approx(1, abs=1e-5)


async def test_requests_are_no_larger_than_the_card_says(patient: TritonEmbedder, place: Path) -> None:
    """Triton, whose configuration has its size from there, too, refuses what is larger."""
    few = bundled_models(place / "models").card("few").ref
    pixels = random_pixels(7, SIDE)
    together = await patient.embed(few, pixels)
    colours = pixels.mean(axis=(1, 2))
    np.testing.assert_allclose(together, colours / np.linalg.norm(colours, axis=1)[:, None], atol=1e-5)


async def test_a_model_that_was_unloaded_is_loaded_again(embedder: TritonEmbedder) -> None:
    assert all_units(await embedder.embed(FIRST, random_pixels(1, 128)))
    client = embedder._server.client
    await client.unload_model(FIRST.name)
    async with asyncio.timeout(10):
        while await client.is_model_ready(FIRST.name):
            await asyncio.sleep(0.05)
    with pytest.raises(SoutuError, match="has not ready: gradient-color@1"):
        await embedder.ping()
    assert all_units(await embedder.embed(FIRST, random_pixels(1, 128)))
    await embedder.ping()


async def test_queries_go_before_builds_that_wait(patient: TritonEmbedder, place: Path) -> None:
    slow = bundled_models(place / "models").card("slow").ref
    await patient.embed(slow, random_pixels(1, SIDE))
    order: list[str] = []

    async def asked(runs: TritonEmbedder, name: str, count: int) -> None:
        await runs.embed(slow, random_pixels(count, SIDE))
        order.append(name)

    builds = [asyncio.create_task(asked(patient, "build", 32)) for _ in range(6)]
    await asyncio.sleep(0.1)
    await asyncio.gather(asked(patient.for_queries(), "query", 1), *builds)
    assert order.index("query") <= 2, "behind what ran already, at the most"
    assert order.count("build") == 6


async def test_a_query_waits_no_longer_than_its_caller_and_a_build_as_long_as_it_takes(
    patient: TritonEmbedder, place: Path
) -> None:
    slow = bundled_models(place / "models").card("slow").ref
    await patient.embed(slow, random_pixels(1, SIDE))
    began = time.monotonic()
    with awaited(0.1):
        with pytest.raises(SoutuError) as failure:
            await patient.for_queries().embed(slow, random_pixels(1, SIDE))
        assert failure.value.reason is Reason.DEADLINE_EXCEEDED
        assert time.monotonic() - began < 0.28
        assert all_units(await patient.embed(slow, random_pixels(1, SIDE)))


async def test_what_waits_too_long_in_its_queue_is_dropped_there(
    patient: TritonEmbedder, place: Path
) -> None:
    slow = bundled_models(place / "models").card("slow").ref
    with request_scope("before"):
        first = asyncio.create_task(patient.embed(slow, random_pixels(32, SIDE)))
    await asyncio.sleep(0.1)
    with request_scope("dropped"), awaited(0.1), pytest.raises(SoutuError):
        await patient.for_queries().embed(slow, random_pixels(1, SIDE))
    await first
    with request_scope("after"):
        await patient.embed(slow, random_pixels(1, SIDE))
    ran = (place / "model_repository" / "slow" / "1" / "requests.txt").read_text().split()
    assert "dropped" not in ran
    assert ran[-2:] == ["before", "after"], "Triton knows requests by our ids"


async def test_a_model_that_nobody_uses_is_unloaded_and_comes_back(triton: Running, place: Path) -> None:
    models = bundled_models(place / "models")
    address, mean = triton.settings["SOUTU_INFERENCE_URL"], models.card("mean").ref
    mine = TritonEmbedder.connected(address, models, wait_s=WAIT_S, unload_after_s=UNUSED_S)
    other = TritonEmbedder.connected(address, models, wait_s=WAIT_S)
    try:
        await mine.embed(mean, random_pixels(1, SIDE))
        end = time.monotonic() + 1.5 * UNUSED_S
        while time.monotonic() < end:  # another process goes on using it
            assert all_units(await other.embed(mean, random_pixels(1, SIDE)))
            await asyncio.sleep(0.2)
        assert await mine._server.client.is_model_ready("mean")
        async with asyncio.timeout(4 * UNUSED_S):
            while await mine._server.client.is_model_ready("mean"):
                await asyncio.sleep(0.1)
        assert all_units(await other.embed(mean, random_pixels(1, SIDE)))
    finally:
        await mine.close()
        await other.close()


async def test_another_version_is_served_beside_the_one_that_collections_have(
    embedder: TritonEmbedder, place: Path
) -> None:
    first = bundled_models(place / "models").card("mean")
    before = await embedder.embed(first.ref, random_pixels(1, SIDE))
    folder = place / "models" / "mean"
    shutil.copytree(folder / "1", folder / "2")
    card = replace(first, ref=ModelRef("mean", "2"))
    (folder / "2" / CARD_FILE).write_text(card_text(card))
    write_repository(place)
    (place / "model_repository" / "mean" / "2" / "model.py").write_text(
        MODEL.replace("{answer}", "np.eye(3, dtype=np.float32)[np.zeros(len(x), int)]")
    )
    assert (await embedder.embed(card.ref, random_pixels(1, SIDE))).tolist() == [[1, 0, 0]]
    assert await embedder.embed(first.ref, random_pixels(1, SIDE)) == pytest.approx(before)


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


async def test_models_run_in_memory_of_huge_pages(embedder: TritonEmbedder, triton: Running) -> None:
    """As far as the kernel gives them to who asks: elsewhere there is nothing to ask for."""
    await embedder.embed(FIRST, random_pixels(1, 128))
    running = [each.pid for each in psutil.Process(triton.pid).children()]
    given = "[madvise]" in Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text()
    assert running
    assert all(heap_asks_for_huge_pages(pid) == given for pid in running)


def heap_asks_for_huge_pages(pid: int) -> bool:
    """Whether the flags of its heap, the last line of what the kernel says of it, have "hg"."""
    heap = Path(f"/proc/{pid}/smaps").read_text().partition("[heap]")[2]
    flags = next(line for line in heap.splitlines() if line.startswith("VmFlags:"))
    return "hg" in flags.split()


async def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    embedder = TritonEmbedder.connected("127.0.0.1:1", bundled_models(tmp_path), wait_s=WAIT_S)
    await refusal(embedder)
    await embedder.close()

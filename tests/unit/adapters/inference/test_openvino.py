"""What only the OpenVINO engine promises: its threads step back, its numbers are near ONNX Runtime's."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from soutu.adapters.inference.onnx import OnnxEmbedder
from soutu.adapters.inference.openvino import OpenVino
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

BUNDLED_SIDE = 128
FIRST_USE = """
import asyncio, pathlib, sys
from soutu.adapters.inference.onnx import OnnxEmbedder
from soutu.adapters.inference.openvino import OpenVino
from tests.contract.embedders import FIRST, bundled_models, random_pixels

async def main():
    embedder = OnnxEmbedder(bundled_models(pathlib.Path(sys.argv[1])), threads=8, engine=OpenVino(8))
    await embedder.embed(FIRST, random_pixels(32, 128))
    await embedder.close()

sys.setswitchinterval(1e-6)
asyncio.run(main())
"""
ROOT = Path(__file__).resolve().parents[4]
PATHS = {"PYTHONPATH": f"{ROOT / 'service'}{os.pathsep}{ROOT}"}
TASKS = Path("/proc/self/task")


async def test_the_threads_that_it_starts_leave_the_cores_to_the_event_loop(tmp_path: Path) -> None:
    before = {task.name for task in TASKS.iterdir()}
    embedder = OnnxEmbedder(bundled_models(tmp_path), threads=2, engine=OpenVino(threads=2))
    await embedder.embed(FIRST, random_pixels(8, BUNDLED_SIDE))
    started = {task.name for task in TASKS.iterdir()} - before
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert len(started) >= 4  # the embedder's two, and a stream for each
    assert all(os.getpriority(os.PRIO_PROCESS, int(task)) > own for task in started)
    await embedder.close()


@pytest.mark.parametrize(("bfloat16", "least"), [(True, 0.999), (False, 0.999999)])
async def test_its_vectors_are_near_those_of_onnx_runtime(
    tmp_path: Path, bfloat16: bool, least: float
) -> None:
    models, pixels = bundled_models(tmp_path), random_pixels(6, BUNDLED_SIDE)
    here = OnnxEmbedder(models, threads=1)
    there = OnnxEmbedder(models, threads=1, engine=OpenVino(1, bfloat16))
    cosines = np.sum(await here.embed(FIRST, pixels) * await there.embed(FIRST, pixels), axis=1)
    assert cosines.min() >= least
    await here.close()
    await there.close()


async def test_pixels_may_be_read_only_and_answers_stay_as_they_are(tmp_path: Path) -> None:
    pixels = random_pixels(2, BUNDLED_SIDE)
    pixels.flags.writeable = False
    embedder = OnnxEmbedder(bundled_models(tmp_path), threads=1, engine=OpenVino(1))
    first = await embedder.embed(FIRST, pixels)
    kept = first.copy()
    await embedder.embed(FIRST, random_pixels(2, BUNDLED_SIDE, seed=1))
    np.testing.assert_array_equal(first, kept)
    await embedder.close()


@pytest.mark.parametrize("wrong", ["not unit", "not a number", "dimension"])
async def test_a_wrong_answer_is_never_passed_on(tmp_path: Path, wrong: str) -> None:
    content = mean_colour_model(scale_by_length=wrong != "not unit")
    card = write_model(tmp_path, "bad", content, 4 if wrong == "dimension" else 3)
    embedder = OnnxEmbedder(bundled_models(tmp_path), threads=1, engine=OpenVino(1))
    pixels = random_pixels(5, SIDE)
    if wrong == "not a number":
        pixels[3] = 0
    with pytest.raises(SoutuError, match="unit vectors") as error:
        await embedder.embed(card.ref, pixels)
    assert error.value.reason is Reason.INFERENCE_UNAVAILABLE
    await embedder.close()


async def test_a_model_whose_input_has_another_name_says_so_and_others_run(tmp_path: Path) -> None:
    content = mean_colour_model().replace(b"pixels", b"pixelz")
    card = write_model(tmp_path, "renamed", content)
    embedder = OnnxEmbedder(bundled_models(tmp_path), threads=1, engine=OpenVino(1))
    with pytest.raises(SoutuError, match="cannot be loaded") as error:
        await embedder.embed(card.ref, random_pixels(1, SIDE))
    assert error.value.reason is Reason.INFERENCE_UNAVAILABLE
    assert all_units(await embedder.embed(FIRST, random_pixels(1, BUNDLED_SIDE)))
    await embedder.close()


def test_the_first_use_by_many_threads_at_once_ends(tmp_path: Path) -> None:
    for _ in range(3):
        command = [sys.executable, "-c", FIRST_USE, str(tmp_path)]
        assert subprocess.run(command, cwd=ROOT, env=os.environ | PATHS, timeout=60).returncode == 0

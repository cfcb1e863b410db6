"""The parts of scripts/build_engines.py that need no library of NVIDIA's."""

from pathlib import Path

import numpy as np
import pytest

from scripts.engines.gpu import Gpu, present_gpu
from scripts.engines.network import UnfitError
from scripts.engines.verifying import cosines, trial_inputs
from scripts.engines.work import work_of
from tests.contract.embedders import BUNDLED

FOLDER = BUNDLED / "gradient-color" / "1"


def test_a_models_folder_is_built_for_the_batches_of_its_card() -> None:
    work = work_of(FOLDER, [])
    assert (work.name, work.version) == ("gradient-color", "1")
    assert work.shapes == {"pixels": ((1, 128, 128, 3), (8, 128, 128, 3), (32, 128, 128, 3))}
    (pixels,) = trial_inputs(work).values()
    assert pixels.shape == (8, 128, 128, 3)
    assert pixels.dtype == np.uint8


@pytest.mark.parametrize("shapes", ["images", "images=1x3", "images=a:b:c", "images=1:2:3:4"])
def test_shapes_of_another_form_are_refused(shapes: str) -> None:
    with pytest.raises(UnfitError, match="is not of the form"):
        work_of(FOLDER / "model.onnx", [shapes])


def test_an_unsound_card_is_refused(tmp_path: Path) -> None:
    (tmp_path / "card.toml").write_text("name = 1")
    with pytest.raises(UnfitError, match=r"card\.toml"):
        work_of(tmp_path, [])


def test_cosines_are_those_of_rows() -> None:
    some = np.array([[[1.0, 0.0]], [[2.0, 2.0]]])
    np.testing.assert_allclose(cosines(some, some[:, :, ::-1]), [0, 1])


def test_a_gpu_is_a_part_of_a_files_name() -> None:
    assert Gpu("NVIDIA GeForce RTX 4090", "8.9").label == "nvidia-geforce-rtx-4090"


def test_without_a_gpu_another_one_must_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnfitError, match="--compute-capability"):
        present_gpu()

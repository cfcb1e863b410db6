from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from scripts.make_descriptor import NAME, VERSION, write_descriptor
from soutu.domain.cards import CARD_FILE, card_from_text
from soutu.domain.embedding import Vectors, all_units
from soutu.models.descriptor.design import DescriptorDesign
from soutu.models.descriptor.model import descriptor, dimension
from soutu.models.graph import OPSET
from soutu.models.verify import check_artefact
from tests.contract.embedders import BUNDLED

FOLDER = BUNDLED / NAME / VERSION
SIDE = DescriptorDesign().side


def described(*pictures: NDArray[np.uint8]) -> Vectors:
    session = onnxruntime.InferenceSession(FOLDER / "model.onnx", providers=["CPUExecutionProvider"])
    vectors: Vectors = session.run(["embedding"], {"pixels": np.stack(pictures)})[0]
    return vectors


def plain(*colour: int) -> NDArray[np.uint8]:
    return np.full((SIDE, SIDE, 3), colour, np.uint8)


def striped(across: bool, period: int = 16, shift: int = 0) -> NDArray[np.uint8]:
    wave = np.round(128 + 40 * np.sin(2 * np.pi * (np.arange(SIDE) + shift) / period)).astype(np.uint8)
    rows = np.broadcast_to(wave[None, :] if across else wave[:, None], (SIDE, SIDE))
    return np.repeat(rows[:, :, None], 3, axis=2)


def test_the_committed_model_is_the_one_of_the_script(tmp_path: Path) -> None:
    card = write_descriptor(tmp_path, DescriptorDesign())

    committed = onnx.load(FOLDER / "model.onnx")
    fresh = onnx.load(tmp_path / "model.onnx")

    assert [node.SerializeToString() for node in fresh.graph.node] == [
        node.SerializeToString() for node in committed.graph.node
    ]
    for ours, theirs in zip(fresh.graph.initializer, committed.graph.initializer, strict=True):
        np.testing.assert_allclose(
            onnx.numpy_helper.to_array(ours), onnx.numpy_helper.to_array(theirs), atol=1e-7
        )
    assert card.ref == card_from_text((FOLDER / CARD_FILE).read_text(encoding="utf-8")).ref


def test_the_script_writes_equal_bytes_each_time(tmp_path: Path) -> None:
    first = write_descriptor(tmp_path / "first", DescriptorDesign())
    second = write_descriptor(tmp_path / "second", DescriptorDesign())

    assert first == second


def test_the_committed_model_fits_its_card_and_is_small() -> None:
    card = card_from_text((FOLDER / CARD_FILE).read_text(encoding="utf-8"))
    artefact = FOLDER / card.artefact

    check_artefact(artefact, card)
    onnx.checker.check_model(artefact, full_check=True)
    assert artefact.stat().st_size < 1_000_000
    assert onnx.load(artefact).opset_import[0].version == OPSET


@pytest.mark.parametrize("shade", [0, 1, 2, 127, 254, 255])
def test_flat_pictures_have_a_direction(shade: int) -> None:
    assert all_units(described(plain(shade, shade, shade)))


def test_a_little_noise_on_a_flat_picture_hardly_turns_it() -> None:
    noise = np.random.default_rng(0).integers(127, 130, (SIDE, SIDE, 3), np.uint8)

    flat, noisy = described(plain(128, 128, 128), noise)

    assert flat @ noisy > 0.95


def test_colours_order_as_the_eye_orders_them() -> None:
    red, orange, blue = described(plain(200, 30, 30), plain(210, 60, 30), plain(30, 30, 200))

    assert red @ orange > red @ blue + 0.2


def test_less_light_is_a_smaller_change_than_another_colour() -> None:
    bright, dim, other = described(plain(220, 120, 20), plain(176, 96, 16), plain(20, 120, 220))

    assert bright @ dim > bright @ other + 0.2


def test_directions_of_edges_are_told_apart_and_shifts_forgiven() -> None:
    upright, shifted, lying = described(striped(True), striped(True, shift=3), striped(False))

    assert upright @ shifted > 0.98
    assert upright @ lying < upright @ shifted - 0.1


def test_every_design_has_the_dimension_that_it_says() -> None:
    design = DescriptorDesign(side=64, colour_side=16, chroma_bins=7, brightness_bins=2, edge_cells=3)

    model = descriptor(design)

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    vectors = session.run(["embedding"], {"pixels": np.zeros((2, 64, 64, 3), np.uint8)})[0]
    assert vectors.shape == (2, dimension(design))

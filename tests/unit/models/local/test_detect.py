"""Detection in ONNX beside detection written out in numpy."""

from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from soutu.models.graph import IR_VERSION, OPSET, GraphWriter
from soutu.models.local.detect import Detection, Sampling, detected, sampled, unit_rows

SIZE = (24, 40)
Map = NDArray[np.float32]


def run(graph: GraphWriter, inputs: dict[str, Map], outputs: tuple[str, ...]) -> list[Map]:
    given = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, each.shape) for name, each in inputs.items()
    ]
    answers = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    made = helper.make_graph(graph.nodes, "test", given, answers, graph.constants)
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(made, opset_imports=opsets, ir_version=IR_VERSION)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    found: list[Map] = session.run(list(outputs), inputs)
    return found


def heat_map(seed: int = 0) -> Map:
    return np.random.default_rng(seed).random((2, 1, *SIZE), np.float32)


def find(heat: Map, detection: Detection) -> tuple[Map, Map]:
    graph = GraphWriter()
    found = detected(graph, "heat", "heat", SIZE, detection)
    places, scores = run(graph, {"heat": heat}, (found.places, found.scores))
    return places, scores


def around(values: NDArray[Any], radius: int) -> Map:
    """The greatest value within `radius` of each place of (h, w), one by one."""
    found = np.zeros(values.shape, np.float32)
    for y, x in np.ndindex(values.shape):
        found[y, x] = values[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1].max()
    return found


def greatest_around(heat: Map, radius: int) -> NDArray[np.bool_]:
    return np.asarray(heat == around(heat, radius))


def peaks_of(heat: Map, detection: Detection) -> NDArray[np.bool_]:
    peaks = greatest_around(heat, detection.radius)
    for _ in range(detection.rounds):
        close = around(peaks, detection.radius) > 0
        others = np.where(close, 0, heat).astype(np.float32)
        peaks |= greatest_around(others, detection.radius) & ~close
    if border := detection.border:
        inner = np.zeros_like(peaks)
        inner[border:-border, border:-border] = True
        peaks &= inner
    return peaks


@pytest.mark.parametrize(
    "detection",
    [
        Detection(30),
        Detection(10, radius=1, threshold=0.9),
        Detection(40, radius=4, rounds=2),
        Detection(25, radius=3, rounds=1, border=4, threshold=0.5),
    ],
    ids=str,
)
def test_keypoints_are_the_best_maxima(detection: Detection) -> None:
    heat = heat_map()
    places, scores = find(heat, detection)
    assert places.shape == (2, detection.keypoints, 2)
    for number in (0, 1):
        peaks = peaks_of(heat[number, 0], detection)
        values = np.sort(heat[number, 0][peaks])[::-1]
        strong = values[values > detection.threshold][: detection.keypoints]
        assert len(strong) > 0
        np.testing.assert_array_equal(scores[number, : len(strong)], strong)
        assert not scores[number, len(strong) :].any()
        x, y = places[number, : len(strong)].astype(int).T
        np.testing.assert_array_equal(heat[number, 0][y, x], strong)


def test_what_fills_up_lies_on_weak_maxima() -> None:
    heat = heat_map()
    places, scores = find(heat, Detection(20, threshold=0.99))
    x, y = places[0].astype(int).T
    assert (scores[0] == 0).any()
    assert peaks_of(heat[0, 0], Detection(20))[y, x].all()


def test_a_flat_map_has_keypoints_that_only_fill_up() -> None:
    places, scores = find(np.zeros((1, 1, *SIZE), np.float32), Detection(20))
    assert not scores.any()
    assert np.isfinite(places).all()


def test_keypoints_move_between_the_pixels() -> None:
    """A hump of a Gaussian, its top at (20.3, 11.6), is met within a tenth of a pixel."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    heat = np.exp(-((x - 20.3) ** 2 + (y - 11.6) ** 2) / 8).astype(np.float32)[None, None]
    still, _ = find(heat, Detection(1))
    moved, _ = find(heat, Detection(1, temperature=0.1))
    assert still[0, 0].tolist() == [20, 12]
    np.testing.assert_allclose(moved[0, 0], [20.3, 11.6], atol=0.1)


def test_maps_are_sampled_between_the_pixels() -> None:
    """A plane that rises across and down has the same rise between the pixels."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float32)
    planes = np.stack([x + 2 * y, 3 * x])[None]
    points = np.array([[[0, 0], [39, 23], [7.25, 3.5], [20.5, 22.75]]], np.float32)
    graph = GraphWriter()
    found = sampled(graph, "planes", "points", Sampling.of_pixels(SIZE))
    unit = unit_rows(graph, found)
    values, units = run(graph, {"planes": planes, "points": points}, (found, unit))
    expected = np.stack([points[0, :, 0] + 2 * points[0, :, 1], 3 * points[0, :, 0]], axis=1)
    np.testing.assert_allclose(values[0], expected, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(units[0], axis=1), [0, 1, 1, 1], atol=1e-6)

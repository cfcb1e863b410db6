"""From a map of scores to a fixed number of keypoints, as ONNX nodes that every opset from 17 to 19 has.

Local maxima are found by max pooling, as in D. DeTone, T. Malisiewicz and A. Rabinovich, "SuperPoint:
Self-supervised interest point detection and description", 2018; they may be moved between the pixels by the
mean of their surroundings, weighted by a softmax, as in X. Zhao et al., "ALIKED: A lighter keypoint and
descriptor extraction network via deformable transformation", 2023.
"""

from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

from soutu.models.graph import GraphWriter

_END = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Detection:
    """Which pixels become keypoints.

    `radius`, in pixels, is how far a keypoint is the greatest around; in further `rounds` pixels come in that
    only such as were refused themselves outdo. Within `border` pixels of the edge there are none. What does
    not exceed `threshold` fills up, with score 0. `temperature` moves keypoints between the pixels; 0 leaves
    them.
    """

    keypoints: int
    radius: int = 2
    rounds: int = 0
    border: int = 0
    threshold: float = 0.0
    temperature: float = 0.0


@dataclass(frozen=True, slots=True)
class Keypoints:
    """Names in a graph: `places` float32 (n, k, 2), x and y in pixels, `scores` float32 (n, k)."""

    places: str
    scores: str


def detected(
    graph: GraphWriter, heat: str, scores: str, size: tuple[int, int], detection: Detection
) -> Keypoints:
    """The keypoints of the greatest `scores`, best first, among the maxima of `heat`.

    Both float32 (n, 1, height, width), their values from 0 to 1; `size` is (height, width). Maxima that are
    too weak stand behind the others and have score 0, so that what fills up lies where something is.
    """
    height, width = size
    peaks = _without_border(graph, _peaks(graph, heat, detection), size, detection.border)
    strong = graph.node("And", peaks, graph.node("Greater", heat, float(detection.threshold)))
    below = graph.node("Sub", scores, 1.0)
    ranked = graph.node("Where", strong, scores, graph.node("Where", peaks, below, -1.0))
    flat = graph.node("Reshape", ranked, [0, height * width])
    greatest, places = graph.top(flat, detection.keypoints)
    points = _points(graph, places, width)
    if detection.temperature:
        points = _moved(graph, heat, points, size, detection)
    return Keypoints(points, graph.node("Relu", greatest))


def sampled(graph: GraphWriter, values: str, points: str, sampling: "Sampling") -> str:
    """The `values` (n, c, h, w) at `points` (n, k, 2): float32 (n, k, c)."""
    grid = graph.node("Add", graph.node("Mul", points, sampling.scale), sampling.offset)
    found = graph.node(
        "GridSample",
        values,
        graph.node("Unsqueeze", grid, [2]),
        mode=sampling.mode,
        align_corners=int(sampling.aligned),
    )
    return graph.node("Transpose", graph.node("Squeeze", found, [3]), perm=[0, 2, 1])


def unit_rows(graph: GraphWriter, values: str, name: str = "", axis: int = 2) -> str:
    """The values, of length one along the axis; a zero vector stays one."""
    squares = graph.node("ReduceSum", graph.node("Mul", values, values), [axis], keepdims=1)
    return graph.node("Div", values, graph.node("Sqrt", graph.node("Max", squares, 1e-24)), name=name)


@dataclass(frozen=True, slots=True)
class Sampling:
    """Where a point in pixels lies in a map: at point * scale + offset, from -1 to 1 across and down.

    `mode` and `aligned` are those of ONNX's GridSample; what lies outside is 0.
    """

    scale: tuple[float, float]
    offset: tuple[float, float] = (-1.0, -1.0)
    mode: str = "bilinear"
    aligned: bool = True

    @classmethod
    def of_pixels(cls, size: tuple[int, int], mode: str = "bilinear", aligned: bool = True) -> "Sampling":
        """The middle of the first pixel at -1, that of the last one at 1; `size` is (height, width)."""
        height, width = size
        return cls((2 / (width - 1), 2 / (height - 1)), mode=mode, aligned=aligned)


def _peaks(graph: GraphWriter, heat: str, detection: Detection) -> str:
    """bool (n, 1, height, width): where heat is the greatest around."""
    peaks = graph.node("Equal", heat, _greatest(graph, heat, detection.radius))
    for _ in range(detection.rounds):
        near = graph.node("Greater", _greatest(graph, _as_float(graph, peaks), detection.radius), 0.0)
        others = graph.node("Where", near, 0.0, heat)
        again = graph.node("Equal", others, _greatest(graph, others, detection.radius))
        peaks = graph.node("Or", peaks, graph.node("And", again, graph.node("Not", near)))
    return peaks


def _greatest(graph: GraphWriter, values: str, radius: int) -> str:
    side = 2 * radius + 1
    return graph.node("MaxPool", values, kernel_shape=[side, side], pads=[radius] * 4, strides=[1, 1])


def _without_border(graph: GraphWriter, peaks: str, size: tuple[int, int], border: int) -> str:
    if not border:
        return peaks
    height, width = size
    inner = graph.node(
        "Slice", _as_float(graph, peaks), [border, border], [height - border, width - border], [2, 3]
    )
    return graph.node("Greater", graph.node("Pad", inner, [0, 0, border, border] * 2), 0.0)


def _as_float(graph: GraphWriter, values: str) -> str:
    return graph.node("Cast", values, to=TensorProto.FLOAT)


def _points(graph: GraphWriter, places: str, width: int) -> str:
    """Places in a flat map, int64 (n, k), as float32 (n, k, 2)."""
    down = graph.node("Div", places, width)
    across = graph.node("Sub", places, graph.node("Mul", down, width))
    both = [graph.node("Unsqueeze", _as_float(graph, each), [2]) for each in (across, down)]
    return graph.node("Concat", *both, axis=2)


def _moved(graph: GraphWriter, heat: str, points: str, size: tuple[int, int], detection: Detection) -> str:
    """Each point at the mean of its surroundings, weighted by softmax(heat / temperature)."""
    around = neighbours(detection.radius)
    values = sampled_around(graph, heat, points, size, around)  # (n, 1, k, places)
    weights = graph.node("Softmax", graph.node("Div", values, detection.temperature), axis=3)
    shift = graph.node("MatMul", weights, around)
    moved = graph.node("Add", points, graph.node("Squeeze", shift, [1]))
    return graph.node("Min", graph.node("Max", moved, 0.0), np.array([size[1] - 1.0, size[0] - 1.0]))


def neighbours(radius: int) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    """The places around one, row by row: float32 ((2 radius + 1)^2, 2), x and y."""
    steps = np.arange(-radius, radius + 1, dtype=np.float32)
    down, across = np.meshgrid(steps, steps, indexing="ij")
    return np.stack([across.ravel(), down.ravel()], axis=1)


def sampled_around(
    graph: GraphWriter,
    values: str,
    points: str,
    size: tuple[int, int],
    around: "np.ndarray[tuple[int, int], np.dtype[np.float32]] | str",
    mode: str = "nearest",
) -> str:
    """The `values` (n, c, height, width) at places `around` (p, 2), or (n, k, p, 2), each of the `points`:
    float32 (n, c, k, p)."""
    sampling = Sampling.of_pixels(size, mode)
    places = graph.node("Add", graph.node("Unsqueeze", points, [2]), around)
    grid = graph.node("Add", graph.node("Mul", places, sampling.scale), sampling.offset)
    return graph.node("GridSample", values, grid, mode=mode, align_corners=1)

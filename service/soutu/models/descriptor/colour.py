"""The colour block: how much of each colour there is around the middle of the picture.

A histogram over two opponent chromaticities and brightness (Swain & Ballard, "Color indexing", 1991;
opponent axes as in van de Sande, Gevers & Snoek, "Evaluating color descriptors", 2010). Its bins are
triangles, so that a small change of light moves a little weight to the neighbours instead of all of it
across a border.
"""

import math

import numpy as np
from numpy.typing import NDArray

from soutu.models.descriptor.design import DescriptorDesign
from soutu.models.descriptor.windows import centre_window
from soutu.models.graph import GraphWriter

# Rows: brightness, red against green, yellow against blue, of RGB in [0, 1].
OPPONENT = np.array([[1 / 3, 1 / 3, 1 / 3], [1 / 2, -1 / 2, 0], [1 / 4, 1 / 4, -1 / 2]], np.float32)

_STEEPNESS = 4.0  # chromaticity near grey is spread out, vivid colours are pressed together
_SPAN = 1.4  # arctangent of the most vivid chromaticity, just above


def colour_block(graph: GraphWriter, opponent: str, design: DescriptorDesign) -> str:
    """Shares of the reachable colour bins, shape (n, bins), each row summing to one.

    `opponent` is float32 (n, 3, side, side), by the rows of OPPONENT.
    """
    reduction = design.side // design.colour_side
    small = graph.node("AveragePool", opponent, kernel_shape=[reduction] * 2, strides=[reduction] * 2)
    flat = graph.node("Reshape", small, [0, 3, design.colour_side**2])
    brightness = _row(graph, flat, 0)
    lit = graph.node("Add", brightness, design.darkness)
    red, yellow = (_chromaticity(graph, _row(graph, flat, axis), lit) for axis in (1, 2))
    weights = _pixel_weights(graph, red, yellow, design)
    return _histogram(graph, red, yellow, brightness, weights, design)


def reachable_bins(design: DescriptorDesign) -> NDArray[np.int64]:
    """The bins of the full histogram (red, yellow, brightness; last fastest) that some RGB colour touches."""
    levels = np.linspace(0, 1, 52)
    rgb = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 3)
    brightness, *chroma = OPPONENT.astype(np.float64) @ rgb.T
    red, yellow = (np.arctan(_STEEPNESS * axis / (brightness + design.darkness)) / _SPAN for axis in chroma)
    touched = (_touches(red, -1, design.chroma_bins), _touches(yellow, -1, design.chroma_bins))
    counts = np.einsum("ap,bp,cp->abc", *touched, _touches(brightness, 0, design.brightness_bins))
    return np.flatnonzero(counts > 0.5)


def _histogram(
    graph: GraphWriter, red: str, yellow: str, brightness: str, weights: str, design: DescriptorDesign
) -> str:
    pixels, bins = design.colour_side**2, design.chroma_bins
    by_red = graph.node("Mul", _triangles(graph, red, -1, bins), weights)
    by_yellow = graph.node("Unsqueeze", _triangles(graph, yellow, -1, bins), [2])
    by_brightness = graph.node("Unsqueeze", _triangles(graph, brightness, 0, design.brightness_bins), [1])
    pairs = graph.node("Mul", by_yellow, by_brightness)
    columns = graph.node("Reshape", pairs, [0, bins * design.brightness_bins, pixels])
    shares = graph.node("MatMul", by_red, graph.node("Transpose", columns, perm=[0, 2, 1]))
    return graph.node("Gather", graph.node("Flatten", shares, axis=1), reachable_bins(design), axis=1)


def _chromaticity(graph: GraphWriter, axis: str, lit: str) -> str:
    """How far from grey, whatever the light: about -1 to 1, shape (n, 1, pixels)."""
    slope = graph.node("Mul", graph.node("Div", axis, lit), _STEEPNESS)
    return graph.node("Mul", graph.node("Atan", slope), 1 / _SPAN)


def _pixel_weights(graph: GraphWriter, red: str, yellow: str, design: DescriptorDesign) -> str:
    """Each pixel's weight, by place and vividness, shape (n, 1, pixels); they sum to one."""
    squares = graph.node("Add", graph.node("Mul", red, red), graph.node("Mul", yellow, yellow))
    vividness = graph.node("Add", graph.node("Sqrt", squares), design.least_vividness)
    weights = graph.node("Mul", vividness, centre_window(design.colour_side, design.window_sigma)[None])
    return graph.node("Div", weights, graph.node("ReduceSum", weights, [2], keepdims=1))


def _triangles(graph: GraphWriter, values: str, lowest: float, bins: int) -> str:
    """Memberships of (n, 1, pixels) in `bins` triangles between `lowest` and 1: shape (n, bins, pixels)."""
    distance = graph.node("Abs", graph.node("Sub", values, np.linspace(lowest, 1, bins)[None, :, None]))
    return graph.node("Relu", graph.node("Sub", 1.0, graph.node("Mul", distance, (bins - 1) / (1 - lowest))))


def _touches(values: NDArray[np.float64], lowest: float, bins: int) -> NDArray[np.float32]:
    """1 where a triangle of the same kind is clearly above zero, shape (bins, values)."""
    distance = np.abs(values - np.linspace(lowest, 1, bins)[:, None]) * ((bins - 1) / (1 - lowest))
    return (distance < 1 - math.sqrt(np.finfo(np.float32).eps)).astype(np.float32)


def _row(graph: GraphWriter, rows: str, index: int) -> str:
    return graph.node("Slice", rows, [index], [index + 1], [1])

"""The edge block: how much edge runs in which direction, in each cell and at each scale.

Oriented-gradient energy (Dalal & Triggs, "Histograms of oriented gradients", 2005) in overlapping Gaussian
cells at several scales (Oliva & Torralba, "Modeling the shape of the scene", 2001).
"""

import math

import numpy as np

from soutu.models.descriptor.design import DescriptorDesign
from soutu.models.descriptor.windows import cell_windows
from soutu.models.graph import GraphWriter

_SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32) / 8
_LEAST_ENERGY = 1e-6  # keeps the gradient's direction defined where there is none


def edge_block(graph: GraphWriter, opponent: str, design: DescriptorDesign) -> str:
    """Mean edge energies, shape (n, scales * orientations * cells), from the brightness in `opponent`."""
    brightness = graph.node("Slice", opponent, [0], [1], [1])
    scales = []
    for scale in range(design.edge_scales):
        if scale:
            brightness = graph.node("AveragePool", brightness, kernel_shape=[2, 2], strides=[2, 2])
        scales.append(_in_cells(graph, _energies(graph, brightness, design), design.side >> scale, design))
    return graph.node("Concat", *scales, axis=1)


def edge_dimension(design: DescriptorDesign) -> int:
    """The number of energies."""
    return design.edge_scales * design.orientations * design.edge_cells**2


def _energies(graph: GraphWriter, brightness: str, design: DescriptorDesign) -> str:
    """Edge energy by orientation, (n, orientations, side, side).

    With g the gradient and a its angle, |g| cos 2(a - t) follows from gx, gy without the angle itself; what
    exceeds half of |g| is the energy of orientation t, so that neighbours overlap.
    """
    padded = graph.node("Pad", brightness, [0, 0, 1, 1, 0, 0, 1, 1], mode="edge")
    gradient = graph.node("Conv", padded, np.stack([_SOBEL, _SOBEL.T])[:, None])
    across, down = (graph.node("Slice", gradient, [axis], [axis + 1], [1]) for axis in (0, 1))
    across_squared, down_squared = graph.node("Mul", across, across), graph.node("Mul", down, down)
    squared = graph.node("Add", graph.node("Add", across_squared, down_squared), _LEAST_ENERGY)
    length = graph.node("Sqrt", squared)
    cosine = graph.node("Div", graph.node("Sub", across_squared, down_squared), length)
    sine = graph.node("Div", graph.node("Mul", graph.node("Mul", across, down), 2.0), length)
    return graph.node("Relu", graph.node("Conv", _stacked(graph, cosine, sine, length), _directions(design)))


def _stacked(graph: GraphWriter, *channels: str) -> str:
    return graph.node("Concat", *channels, axis=1)


def _directions(design: DescriptorDesign) -> np.typing.NDArray[np.float32]:
    angles = 2 * math.pi * np.arange(design.orientations) / design.orientations
    rows = np.stack([np.cos(angles), np.sin(angles), np.full(design.orientations, -0.5)], axis=1)
    return np.round(rows, 7).astype(np.float32)[:, :, None, None]


def _in_cells(graph: GraphWriter, energies: str, side: int, design: DescriptorDesign) -> str:
    """The energies averaged under each cell's window: (n, orientations * cells)."""
    reduction, pixels = side // design.edge_side, design.edge_side**2
    small = graph.node("AveragePool", energies, kernel_shape=[reduction] * 2, strides=[reduction] * 2)
    flat = graph.node("Reshape", small, [0, design.orientations, pixels])
    windows = cell_windows(design.edge_side, design.edge_cells)
    return graph.node("Flatten", graph.node("MatMul", flat, windows.T), axis=1)

"""ALIKED's keypoints and descriptors out of its maps: its differentiable keypoint detection and its sparse
deformable descriptor head (X. Zhao et al., 2023), but for two things: a keypoint's score is that of its
pixel, and maxima below the threshold fill up what is too few.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soutu.models.graph import GraphWriter
from soutu.models.local.detect import Detection, Keypoints, detected, neighbours, sampled_around, unit_rows
from soutu.models.local.extractor import Maps

_THRESHOLD = 0.2
_RADIUS = 2
_TEMPERATURE = 0.1

Weights = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class AlikedDescriptors:
    """Weights, float32: `offsets` (2m, c, 3, 3) and `again` (2m, 2m) predict m places around a keypoint, with
    their biases; `mixed` (c, c) is applied at each, and `gathered` (m, c, c) makes one vector of them."""

    offsets: Weights
    offsets_bias: Weights
    again: Weights
    again_bias: Weights
    mixed: Weights
    gathered: Weights

    def __call__(self, graph: GraphWriter, maps: Maps, keypoints: int) -> Keypoints:
        """Of `heat` (n, 1, height, width) and `features` (n, c, height, width)."""
        heat, features = maps["heat"], maps["features"]
        detection = Detection(keypoints, _RADIUS, 2, _RADIUS, _THRESHOLD, _TEMPERATURE)
        found = detected(graph, heat, heat, maps.size, detection)
        places = self._places(graph, features, found.places, maps.size)
        around = sampled_around(graph, features, found.places, maps.size, places, "bilinear")
        each = graph.node("Transpose", around, perm=[0, 2, 3, 1])  # (n, k, m, c)
        seen = graph.node("Selu", graph.node("MatMul", each, self.mixed.T))
        positions, channels = self.gathered.shape[:2]
        flat = graph.node("Reshape", seen, [0, 0, positions * channels])
        unit_rows(graph, graph.node("MatMul", flat, self.gathered.reshape(-1, channels)), "descriptors")
        return found

    def _places(self, graph: GraphWriter, features: str, points: str, size: tuple[int, int]) -> str:
        """How far from each keypoint its descriptor looks: (n, k, m, 2), across and down in pixels."""
        patch = sampled_around(graph, features, graph.node("Floor", points), size, neighbours(1))
        rows = graph.node("Transpose", patch, perm=[0, 2, 1, 3])  # (n, k, c, 9)
        flat = graph.node("Reshape", rows, [0, 0, self.offsets[0].size])
        kernel = self.offsets.reshape(len(self.offsets), -1).T
        first = graph.node("Selu", graph.node("Add", graph.node("MatMul", flat, kernel), self.offsets_bias))
        moved = graph.node("Add", graph.node("MatMul", first, self.again.T), self.again_bias)
        furthest = max(size) / 4
        clipped = graph.node("Min", graph.node("Max", moved, -furthest), furthest)
        apart = graph.node("Reshape", clipped, [0, 0, 2, len(self.gathered)])  # all across, then all down
        return graph.node("Transpose", apart, perm=[0, 1, 3, 2])

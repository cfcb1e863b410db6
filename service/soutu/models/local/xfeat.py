"""XFeat's keypoints and descriptors out of its maps.

G. Potje et al., "XFeat: Accelerated features for lightweight image matching", 2024, as its authors compute
them (verlab/accelerated_features, `detectAndCompute`), but for two things: reliability is resized to the
picture and not sampled at each keypoint, and maxima below the threshold fill up what is too few.
"""

from soutu.models.graph import GraphWriter
from soutu.models.local.detect import Detection, Keypoints, Sampling, detected, sampled, unit_rows
from soutu.models.local.extractor import Maps

_CELL = 8  # pixels across and down of a place in the maps
_THRESHOLD = 0.05


def xfeat_head(graph: GraphWriter, maps: Maps, keypoints: int) -> Keypoints:
    """Of `keypoint_logits` (n, 65, h/8, w/8), `reliability` (n, 1, ...) and `descriptors` (n, 64, ...)."""
    heat = _heat(graph, maps["keypoint_logits"])
    reliable = graph.node("Resize", maps["reliability"], "", [1.0, 1.0, _CELL, _CELL], mode="linear")
    detection = Detection(keypoints, radius=2, threshold=_THRESHOLD)
    found = detected(graph, heat, graph.node("Mul", heat, reliable), maps.size, detection)
    each = unit_rows(graph, maps["descriptors"], axis=1)
    sampling = Sampling.of_pixels(maps.size, "bicubic", aligned=False)
    unit_rows(graph, sampled(graph, each, found.places, sampling), "descriptors")
    return found


def _heat(graph: GraphWriter, logits: str) -> str:
    """The chance of a keypoint at each pixel: of 64 in a cell, and a 65th that there is none."""
    chances = graph.node("Slice", graph.node("Softmax", logits, axis=1), [0], [_CELL * _CELL], [1])
    return graph.node("DepthToSpace", chances, blocksize=_CELL)

"""SuperPoint's keypoints and descriptors out of its maps, as `transformers` computes them; maxima below the
threshold fill up what is too few."""

from soutu.models.graph import GraphWriter
from soutu.models.local.detect import Detection, Keypoints, Sampling, detected, sampled, unit_rows
from soutu.models.local.extractor import Maps

_THRESHOLD = 0.005
_CELL = 8  # pixels across and down of a place in the map of descriptors


def superpoint_head(graph: GraphWriter, maps: Maps, keypoints: int) -> Keypoints:
    """Of `heat` (n, 1, height, width) and `descriptors` (n, 256, height / 8, width / 8)."""
    heat = maps["heat"]
    detection = Detection(keypoints, radius=4, rounds=2, border=4, threshold=_THRESHOLD)
    found = detected(graph, heat, heat, maps.size, detection)
    height, width = maps.size
    middle = _CELL / 2 - 0.5  # of the first cell
    across, down = (2 / (side - 1 - middle) for side in (width, height))
    sampling = Sampling((across, down), (-1 - middle * across, -1 - middle * down))
    unit_rows(graph, sampled(graph, maps["descriptors"], found.places, sampling), "descriptors")
    return found

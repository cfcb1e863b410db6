"""DISK's keypoints and descriptors out of its maps: maxima of five by five pixels whose score is above 0,
which is a chance above a half; others fill up what is too few."""

from soutu.models.graph import GraphWriter
from soutu.models.local.detect import Detection, Keypoints, Sampling, detected, sampled, unit_rows
from soutu.models.local.extractor import Maps


def disk_head(graph: GraphWriter, maps: Maps, keypoints: int) -> Keypoints:
    """Of `heat` (n, 1, height, width) and `descriptors` (n, 128, height, width)."""
    heat = maps["heat"]
    found = detected(graph, heat, heat, maps.size, Detection(keypoints, radius=2, threshold=0.5))
    sampling = Sampling.of_pixels(maps.size, "nearest")
    unit_rows(graph, sampled(graph, maps["descriptors"], found.places, sampling), "descriptors")
    return found

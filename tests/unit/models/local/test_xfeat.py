"""XFeat around its real weights, on real photos in two views."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from soutu.models.running import answers, opened
from tests.unit.models.local.made import FRAME
from tests.unit.models.local.test_detect import greatest_around
from tests.unit.models.local.views import GROCERY, WEIGHTS, mutual_nearest, photos, views_of

XFEAT = WEIGHTS / "xfeat.onnx"
pytestmark = pytest.mark.skipif(
    not (XFEAT.exists() and GROCERY.exists()), reason=f"{XFEAT} or {GROCERY} is not on this machine"
)


def heat_of(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(h, w): the chance of a keypoint at each pixel, by numpy from the network's logits."""
    planes = np.ascontiguousarray(pixels[None].transpose(0, 3, 1, 2), np.float32) / 255
    session = onnxruntime.InferenceSession(XFEAT, providers=["CPUExecutionProvider"])
    logits = session.run(["keypoint_logits"], {"input": planes})[0][0].astype(np.float64)
    chances = np.exp(logits - logits.max(axis=0))
    cells = (chances / chances.sum(axis=0))[:64].reshape(8, 8, *logits.shape[1:])
    heat = cells.transpose(2, 0, 3, 1).reshape(FRAME.height, FRAME.width)
    return np.asarray(heat, np.float32)


def test_keypoints_are_maxima_of_the_networks_chances(xfeat: Path) -> None:
    (photo, *_), session = photos(), opened(xfeat / "model.onnx")
    first = views_of(photo, FRAME).first
    found = answers(session, {"pixels": first[None]}, "xfeat")
    heat = heat_of(first)
    x, y = found["keypoints"][0][found["scores"][0] > 0].astype(int).T
    assert len(x) > 500
    assert (heat[y, x] > 0.05 - 1e-4).all()
    assert greatest_around(heat, 2)[y, x].mean() > 0.99  # where two are nearly alike, rounding decides


def test_views_of_a_photo_are_matched_by_nearest_descriptors(xfeat: Path) -> None:
    """Turned by 15 degrees and 1.3 times as large; `-s` prints what the bounds were taken from."""
    session, shares = opened(xfeat / "model.onnx"), []
    for photo in photos():
        views = views_of(photo, FRAME)
        first, second = mutual_nearest(answers(session, {"pixels": views.both}, "xfeat"))
        shares.append(views.right(first, second))
        print(f"XFeat: {len(first)} mutual nearest neighbours, {shares[-1]:.3f} of them within 3 pixels")
        assert len(first) >= 300
    assert min(shares) >= 0.5

"""LighterGlue around its real weights: as its file answers, and on real photos in two views."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from soutu.domain.errors import Reason, SoutuError
from soutu.models.local.lighterglue import lighterglue
from soutu.models.running import Arrays, answers, opened
from tests.unit.models.local.made import FRAME
from tests.unit.models.local.views import GROCERY, WEIGHTS, Views, photos, views_of

NETWORK = WEIGHTS / "lighterglue_L3.onnx"
pytestmark = pytest.mark.skipif(
    not (NETWORK.exists() and GROCERY.exists()), reason=f"{NETWORK} or {GROCERY} is not on this machine"
)


@pytest.fixture(scope="module")
def seen(xfeat: Path) -> list[tuple[Views, Arrays]]:
    session = opened(xfeat / "model.onnx")
    views = [views_of(photo, FRAME) for photo in photos()]
    return [(each, answers(session, {"pixels": each.both}, "xfeat")) for each in views]


def given(pairs: list[Arrays]) -> Arrays:
    """The features of two pictures each as a matcher takes them."""
    return {
        f"{name}{which}": np.stack([each[name][which] for each in pairs])
        for name in ("keypoints", "scores", "descriptors")
        for which in (0, 1)
    }


def test_pairs_are_matched_as_by_the_file_itself(
    xfeat_matcher: Path, seen: list[tuple[Views, Arrays]]
) -> None:
    """The file takes one pair and knows no threshold; ours takes several, and leaves what is not sure."""
    features = [found for _, found in seen]
    matched = answers(opened(xfeat_matcher / "model.onnx"), given(features), "ours")
    theirs = onnxruntime.InferenceSession(NETWORK, providers=["CPUExecutionProvider"])
    for number, found in enumerate(features):
        normal = (found["keypoints"] - FRAME.width / 2) / (FRAME.width / 2)
        inputs = {"kpts0": normal[:1], "kpts1": normal[1:]}
        inputs |= {"desc0": found["descriptors"][:1], "desc1": found["descriptors"][1:]}
        pairs, chances = theirs.run(["matches", "scores"], inputs)
        sure = {
            (int(one), int(other))
            for (one, other), chance in zip(pairs, chances, strict=True)
            if chance > 0.1
        }
        ours = {(place, int(other)) for place, other in enumerate(matched["matches"][number]) if other >= 0}
        assert len(ours & sure) >= 0.99 * len(ours | sure)  # rounding decides the rest
        assert len(ours) > 100


def test_views_of_a_photo_are_matched(xfeat_matcher: Path, seen: list[tuple[Views, Arrays]]) -> None:
    """Turned by 15 degrees and 1.3 times as large; `-s` prints what the bounds were taken from."""
    matched = answers(opened(xfeat_matcher / "model.onnx"), given([found for _, found in seen]), "ours")
    for number, (views, found) in enumerate(seen):
        partners = matched["matches"][number]
        kept = partners >= 0
        share = views.right(found["keypoints"][0][kept], found["keypoints"][1][partners[kept]])
        print(f"LighterGlue: {kept.sum()} matches, {share:.3f} of them within 3 pixels")
        assert kept.sum() >= 300
        assert share >= 0.6


def test_another_network_is_refused() -> None:
    with pytest.raises(SoutuError, match="no LighterGlue") as error:
        lighterglue(onnx.load(WEIGHTS / "xfeat.onnx"))
    assert error.value.reason is Reason.MODEL_INVALID

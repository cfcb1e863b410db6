"""Exports of local features: ALIKED's real weights see what is the same in two views of a photo; SuperPoint
and LightGlue with seeded weights answer as `transformers` does; DISK as itself in float64."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from soutu.domain.cards import CARD_FILE, card_from_text
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.model import Fit, InputSpec, Task
from soutu.models.pooling import Pooling
from soutu.models.running import answers, opened
from soutu.models.zoo.entry import Local, ZooEntry
from soutu.models.zoo.shelf import zoo_entry
from tests.unit.models.local.views import GROCERY, WEIGHTS, mutual_nearest, photos, views_of

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # of PyTorch and its exporter

ALIKED = WEIGHTS / "aliked-n16.pth"
SMALL = InputSpec(256, 192, Fit.PAD)
CLOSE = 1e-5


def small(name: str, keypoints: int = 512) -> ZooEntry:
    """The entry, for small pictures and few keypoints."""
    entry = zoo_entry(name)
    assert entry.local
    return replace(entry, input=SMALL, local=replace(entry.local, keypoints=keypoints))


@pytest.mark.skipif(
    not (ALIKED.exists() and GROCERY.exists()), reason=f"{ALIKED} or {GROCERY} is not on this machine"
)
def test_aliked_sees_what_is_the_same_in_two_views(tmp_path: Path) -> None:
    """Turned by 15 degrees and 1.3 times as large; `-s` prints what the bounds were taken from."""
    import torch
    from safetensors.torch import save_file

    from soutu.models.export.image import ExportTerms
    from soutu.models.export.local import export_model

    save_file(torch.load(ALIKED, weights_only=True), tmp_path / "aliked.safetensors")
    entry = zoo_entry("aliked-n16")
    exported = export_model(entry, ExportTerms(tmp_path / "aliked.safetensors"), tmp_path / "made")
    assert exported.parity
    assert exported.parity.cosine >= 0.99999
    session = opened(tmp_path / "made" / "model.onnx")
    for photo in photos():
        views = views_of(photo, entry.input)
        first, second = mutual_nearest(answers(session, {"pixels": views.both}, "aliked"))
        share = views.right(first, second)
        print(f"ALIKED: {len(first)} mutual nearest neighbours, {share:.3f} of them within 3 pixels")
        assert len(first) >= 200
        assert share >= 0.7


def test_superpoint_answers_as_transformers_does(tmp_path: Path) -> None:
    import torch
    import transformers

    from soutu.models.export.image import ExportTerms
    from soutu.models.export.local import export_model

    torch.manual_seed(0)
    network = transformers.SuperPointForKeypointDetection(transformers.SuperPointConfig()).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)  # as transformers makes it, it has no biases
    network.save_pretrained(tmp_path / "weights")
    export_model(small("superpoint"), ExportTerms(tmp_path / "weights"), tmp_path / "made")
    grey = np.random.default_rng(0).integers(0, 256, (SMALL.height, SMALL.width), np.uint8)
    pixels = np.stack([grey] * 3, axis=2)[None]
    found = answers(opened(tmp_path / "made" / "model.onnx"), {"pixels": pixels}, "superpoint")
    with torch.no_grad():
        theirs = network(torch.from_numpy(pixels.transpose(0, 3, 1, 2) / np.float32(255)))
    size = np.array([SMALL.width, SMALL.height])
    places = np.rint(theirs.keypoints[0].numpy() * size).astype(int)
    best = np.argsort(-theirs.scores[0].numpy())[: found["scores"].shape[1]]
    np.testing.assert_allclose(found["scores"][0], theirs.scores[0].numpy()[best], atol=CLOSE)
    there = {tuple(place): number for number, place in enumerate(places)}
    numbers = [there[tuple(place)] for place in found["keypoints"][0].astype(int)]
    assert len(set(numbers) & set(best)) >= 0.9 * len(best)  # equal scores come in any order
    expected = theirs.descriptors[0].numpy()[numbers]
    np.testing.assert_allclose(found["descriptors"][0], expected, atol=CLOSE)


def test_lightglue_answers_as_transformers_does(tmp_path: Path) -> None:
    import torch
    import transformers

    from soutu.models.export.image import ExportTerms
    from soutu.models.export.local import export_model
    from soutu.models.local.verify import trial_features

    torch.manual_seed(0)
    config = transformers.LightGlueConfig(
        num_hidden_layers=3, depth_confidence=-1.0, width_confidence=-1.0, attn_implementation="eager"
    )
    network = transformers.LightGlueForKeypointMatching(config).eval()
    last = network.match_assignment_layers[-1]
    last.final_projection.weight.data = 16 * torch.eye(256)  # random features are told apart
    last.matchability.bias.data += 3
    network.save_pretrained(tmp_path / "weights")
    exported = export_model(
        small("lightglue-superpoint", 64), ExportTerms(tmp_path / "weights"), tmp_path / "made"
    )
    given, _ = trial_features(exported.card)
    given |= {f"scores{which}": np.ones_like(given["scores0"]) for which in "01"}
    found = answers(opened(tmp_path / "made" / "model.onnx"), given, "lightglue")
    places = np.stack([given["keypoints0"], given["keypoints1"]], axis=1)
    vectors = np.stack([given["descriptors0"], given["descriptors1"]], axis=1)
    mask = torch.ones(places.shape[:3], dtype=torch.int)
    with torch.no_grad():
        matches, scores, *_ = network._match_image_pair(
            torch.from_numpy(places), torch.from_numpy(vectors), SMALL.height, SMALL.width, mask=mask
        )
    theirs = matches.reshape(len(places), 2, -1)[:, 0].numpy()
    np.testing.assert_array_equal(found["matches"], theirs)
    assert (theirs >= 0).mean() > 0.5
    chances = np.where(theirs >= 0, scores.reshape(len(places), 2, -1)[:, 0].numpy(), 0)
    np.testing.assert_allclose(found["scores"], chances, atol=CLOSE)


def test_disk_answers_as_itself_in_float64(tmp_path: Path) -> None:
    """No published weights were at hand: the export is right, but is the network DISK's?"""
    import torch
    from safetensors.torch import save_file

    from soutu.models.export.image import ExportTerms
    from soutu.models.export.local import export_model
    from soutu.models.load.disk import Disk

    torch.manual_seed(0)
    network = Disk()
    save_file(network.state_dict(), tmp_path / "disk.safetensors")
    exported = export_model(
        replace(small("disk", 1024), input=InputSpec(320, 256, Fit.PAD)),
        ExportTerms(tmp_path / "disk.safetensors"),
        tmp_path / "made",
    )
    assert exported.parity
    assert exported.parity.cosine >= 0.99999
    card = card_from_text((tmp_path / "made" / CARD_FILE).read_text("utf-8"))
    assert (card.task, card.keypoints, card.dimension) == (Task.LOCAL_FEATURES, 1024, 128)


@pytest.mark.parametrize(
    ("entry", "weights", "pooling", "sentence"),
    [
        ("aliked-n16", "a.pth", "", "is a pickle"),
        ("aliked-n16", "disk.safetensors", "", "does not fit ALIKED"),
        ("disk", "other.safetensors", "", "does not fit DISK"),
        ("aliked-n16", "a.pth", "avg", "pools and reduces nothing"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    tmp_path: Path, entry: str, weights: str, pooling: str, sentence: str
) -> None:
    import torch
    from safetensors.torch import save_file

    from soutu.models.export.image import ExportTerms
    from soutu.models.export.local import export_model

    if weights.endswith(".safetensors"):
        save_file({"other": torch.zeros(1)}, tmp_path / weights)
    terms = ExportTerms(tmp_path / weights, pooling=Pooling.parse(pooling) if pooling else None)
    with pytest.raises(SoutuError, match=sentence) as failure:
        export_model(small(entry), terms, tmp_path / "made")
    assert failure.value.reason is Reason.MODEL_INVALID
    assert not (tmp_path / "made").exists()


def test_an_architecture_that_nobody_knows_is_told_what_there_is(tmp_path: Path) -> None:
    from soutu.models.export.image import ExportTerms
    from soutu.models.export.local import export_model

    entry = small("xfeat")
    unknown = replace(entry, network=replace(entry.network, architecture="Other"), local=Local(64))
    with pytest.raises(SoutuError, match="no architecture 'Other' for local-features; there are: XFeat"):
        export_model(unknown, ExportTerms(WEIGHTS / "xfeat.onnx"), tmp_path / "made")

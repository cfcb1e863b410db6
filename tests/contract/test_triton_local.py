"""XFeat and LighterGlue on a real Triton, by the configurations that scripts/triton_repository.py writes."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import np_to_triton_dtype

from scripts import triton_repository
from soutu.domain.cards import CARD_FILE, card_from_text, card_text
from soutu.domain.model import BatchSizes, ModelCard
from soutu.domain.tensors import outputs_of
from soutu.models.local.verify import trial_features, trial_pixels
from soutu.models.running import Arrays, answers, opened
from tests.contract.servers import server
from tests.unit.models.local.views import WEIGHTS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (WEIGHTS / "xfeat.onnx").exists(), reason=f"{WEIGHTS} has no XFeat on this machine"
    ),
]
_MOST = 2  # pictures at a time: each model runs a full batch before it is ready
_LOADED_WITHIN_S = 120.0


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, xfeat: Path, xfeat_matcher: Path) -> Path:
    """Both models in a data directory's form, for small batches."""
    models = tmp_path_factory.mktemp("data") / "models"
    for made in (xfeat, xfeat_matcher):
        card = card_from_text((made / CARD_FILE).read_text("utf-8"))
        folder = models / card.ref.name / card.ref.version
        shutil.copytree(made, folder)
        (folder / CARD_FILE).write_text(card_text(replace(card, batch=BatchSizes(1, _MOST))), "utf-8")
    return models


@pytest.fixture(scope="module")
def triton(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InferenceServerClient]:
    place = tmp_path_factory.mktemp("triton")
    repository = [str(place / "model_repository"), "--models", str(models)]
    triton_repository.main([*repository, "--backend", "python", "--instances", "1"])
    with server("triton", place) as running:
        client = InferenceServerClient(running.settings["SOUTU_INFERENCE_URL"])
        yield client
        client.close()


def asked(client: InferenceServerClient, card: ModelCard, given: Arrays) -> Arrays:
    """What Triton answers, once it has loaded the model, by the outputs' names."""
    client.load_model(card.ref.name, client_timeout=_LOADED_WITHIN_S)
    inputs = [
        InferInput(name, list(values.shape), np_to_triton_dtype(values.dtype))
        for name, values in given.items()
    ]
    for each, values in zip(inputs, given.values(), strict=True):
        each.set_data_from_numpy(np.ascontiguousarray(values))
    wanted = [InferRequestedOutput(each.name) for each in outputs_of(card)]
    answer = client.infer(card.ref.name, inputs, model_version=card.ref.version, outputs=wanted)
    return {each.name: answer.as_numpy(each.name) for each in outputs_of(card)}


def card_in(models: Path, name: str) -> tuple[Path, ModelCard]:
    folder = models / name / "1"
    return folder / "model.onnx", card_from_text((folder / CARD_FILE).read_text("utf-8"))


def test_triton_finds_the_local_features_that_onnx_runtime_finds(
    triton: InferenceServerClient, models: Path
) -> None:
    path, card = card_in(models, "xfeat")
    pixels = trial_pixels(card.input)[1 : 1 + _MOST]
    found, expected = asked(triton, card, {"pixels": pixels}), answers(opened(path), {"pixels": pixels}, "")
    for each in outputs_of(card):
        assert found[each.name].shape == (_MOST, *each.shape)
        assert found[each.name].dtype == each.kind
    np.testing.assert_allclose(found["scores"], expected["scores"], atol=1e-3)
    assert (expected["scores"] > 0).sum() > 500
    for mine, theirs in zip(found["keypoints"], expected["keypoints"], strict=True):
        alike = {tuple(place) for place in mine} & {tuple(place) for place in theirs}
        assert len(alike) >= 0.98 * card.keypoints  # where two are nearly alike, rounding decides


def test_triton_matches_as_onnx_runtime_does(triton: InferenceServerClient, models: Path) -> None:
    path, card = card_in(models, "lighterglue-xfeat")
    drawn, order = trial_features(card)
    given = {name: values[:_MOST] for name, values in drawn.items()}
    found, expected = asked(triton, card, given), answers(opened(path), given, "")
    assert found["matches"].dtype == np.int64
    assert (found["matches"] == expected["matches"]).mean() >= 0.99
    np.testing.assert_allclose(np.sort(found["scores"]), np.sort(expected["scores"]), atol=5e-3)
    matched = found["matches"] >= 0
    assert matched.any()
    assert (found["matches"] == order[:_MOST])[matched].mean() >= 0.9

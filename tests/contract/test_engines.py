"""scripts/build_engines.py with NVIDIA's builder and parser, for a GPU that need not be here.

tensorrt-rtx has an environment of its own, as the stack's servers have.
"""

import hashlib
import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from bench.models import spec
from bench.vit import VitShape, random_weights, vit
from scripts.stack.places import ROOT, environment
from soutu.domain.cards import CARD_FILE, card_text
from soutu.domain.model import BatchSizes, InputSpec, ModelRef
from soutu.models.artefact import make_artefact
from tests.contract.embedders import BUNDLED

pytestmark = pytest.mark.slow

CAPABILITY = "8.9"
LABEL = "tensorrt_rtx-*-sm89.plan"
XFEAT = ROOT.parent / "shared" / "weights" / "xfeat.onnx"
SMALL_DINO = VitShape(width=64, depth=2, heads=2, patch=14, side=56, scaled=True)


@pytest.fixture(scope="module")
def python() -> Path:
    return environment("tensorrt") / "bin" / "python"


def build(python: Path, *arguments: str, capability: str = CAPABILITY) -> subprocess.CompletedProcess[str]:
    command = [str(python), "-m", "scripts.build_engines", "--library", "tensorrt_rtx", *arguments]
    command += ["--compute-capability", capability] if capability else []
    variables = os.environ | {"PYTHONPATH": f"{ROOT / 'service'}{os.pathsep}{ROOT}"}
    return subprocess.run(
        command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small vision transformer in DINOv2's form, as a model's folder."""
    folder = tmp_path_factory.mktemp("models") / "dino-1"
    backbone = folder.with_suffix(".onnx")
    onnx.save(vit(SMALL_DINO, random_weights()), backbone)
    card = make_artefact(backbone, spec(ModelRef("dino", "1"), InputSpec(56, 56), "cls"), folder)
    (folder / CARD_FILE).write_text(card_text(replace(card, batch=BatchSizes(2, 4))), "utf-8")
    return folder


def test_a_model_becomes_a_plan_with_a_manifest(python: Path, model: Path, tmp_path: Path) -> None:
    ran = build(python, str(model), "--out", str(tmp_path))
    assert ran.returncode == 0, ran.stderr
    assert "not run: its GPU is not here" in ran.stdout
    folder = tmp_path / "dino" / "1"
    assert (tmp_path / "dino" / CARD_FILE).read_bytes() == (model / CARD_FILE).read_bytes()
    (named,) = folder.glob(LABEL)
    assert (folder / "model.plan").read_bytes() == named.read_bytes()
    told = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert told["plan_sha256"] == hashlib.sha256(named.read_bytes()).hexdigest()
    assert told["artefact_sha256"] == hashlib.sha256((model / "model.onnx").read_bytes()).hexdigest()
    assert told["tensors"] == {"pixels": "UINT8 (-1, 56, 56, 3)", "embedding": "FLOAT (-1, 64)"}
    assert told["shapes"]["pixels"] == [[count, 56, 56, 3] for count in (1, 2, 4)]
    assert (told["model"], told["compute_capability"], told["cosine"]) == ("dino@1", CAPABILITY, None)


def test_the_bundled_model_and_bare_local_features_are_built(python: Path, tmp_path: Path) -> None:
    assert build(python, str(BUNDLED / "gradient-color" / "1"), "--out", str(tmp_path)).returncode == 0
    shapes = "input=1x3x64x64:1x3x480x640:1x3x960x960"
    ran = build(python, str(XFEAT), "--out", str(tmp_path), "--shapes", shapes)
    assert ran.returncode == 0, ran.stderr
    told = json.loads((tmp_path / "xfeat" / "1" / "manifest.json").read_text("utf-8"))
    assert told["tensors"].keys() == {"input", "descriptors", "keypoint_logits", "reliability"}


def test_local_features_and_their_matcher_become_plans(
    python: Path, xfeat: Path, xfeat_matcher: Path, tmp_path: Path
) -> None:
    """Suppression, the best keypoints, sampling and assignment are in the graph, and TensorRT takes them."""
    ran = build(python, str(xfeat), str(xfeat_matcher), "--out", str(tmp_path))
    assert ran.returncode == 0, ran.stderr
    told = json.loads((tmp_path / "xfeat" / "1" / "manifest.json").read_text("utf-8"))
    assert told["tensors"] == {
        "pixels": "UINT8 (-1, 512, 512, 3)",
        "keypoints": "FLOAT (-1, 1024, 2)",
        "scores": "FLOAT (-1, 1024)",
        "descriptors": "FLOAT (-1, 1024, 64)",
    }
    assert told["shapes"]["pixels"] == [[count, 512, 512, 3] for count in (1, 8, 32)]
    paired = json.loads((tmp_path / "lighterglue-xfeat" / "1" / "manifest.json").read_text("utf-8"))
    assert paired["tensors"]["matches"] == "INT64 (-1, 1024)"
    assert paired["shapes"]["descriptors1"] == [[count, 1024, 64] for count in (1, 8, 32)]


def test_a_card_that_says_something_else_is_refused(python: Path, model: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    (wrong / "model.onnx").write_bytes((model / "model.onnx").read_bytes())
    card = (model / CARD_FILE).read_text("utf-8").replace("dimension = 64", "dimension = 65")
    (wrong / CARD_FILE).write_text(card, "utf-8")
    ran = build(python, str(wrong), "--out", str(tmp_path / "out"))
    assert ran.returncode == 1
    assert "its card says" in ran.stderr
    assert not (tmp_path / "out").exists()


def test_what_is_no_network_is_refused_and_the_next_one_is_built(
    python: Path, model: Path, tmp_path: Path
) -> None:
    rubbish = tmp_path / "rubbish.onnx"
    rubbish.write_bytes(b"not a network")
    out = tmp_path / "out"
    ran = build(python, str(rubbish), str(tmp_path / "nothing"), str(model), "--out", str(out))
    assert ran.returncode == 1
    assert "TensorRT's parser refuses it" in ran.stderr
    assert "there is no card.toml" in ran.stderr
    assert (out / "dino" / "1" / "model.plan").exists()


@pytest.mark.parametrize("capability", ["1.0", "rubbish", "9.0"])
def test_a_gpu_that_the_library_knows_nothing_of_is_refused(
    python: Path, model: Path, tmp_path: Path, capability: str
) -> None:
    ran = build(python, str(model), "--out", str(tmp_path), capability=capability)
    assert ran.returncode == 1
    assert f"does not build for capability {capability}" in ran.stderr


@pytest.mark.parametrize("shapes", ["other=1x3x8x8:1x3x8x8:1x3x8x8", "input=1x3", "input=a:b:c"])
def test_shapes_that_do_not_fit_are_refused(python: Path, tmp_path: Path, shapes: str) -> None:
    ran = build(python, str(XFEAT), "--out", str(tmp_path), "--shapes", shapes)
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr

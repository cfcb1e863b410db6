from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from soutu.domain.cards import CARD_FILE, card_from_text
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.model import InputSpec, ModelRef
from soutu.models.artefact import BackboneSpec, make_artefact
from soutu.models.normalisation import IMAGENET, Normalisation
from soutu.models.pooling import Pooling
from soutu.models.verify import check_artefact

MOBILENET = Path(__file__).resolve().parents[4] / "shared" / "weights" / "mobilenetv2_features.onnx"


def spec(pooling: str = "avg", side: int = 8, output: str = "") -> BackboneSpec:
    return BackboneSpec(
        ref=ModelRef("backbone", "1"),
        input=InputSpec(side, side),
        normalisation=IMAGENET,
        pooling=Pooling.parse(pooling),
        licence="Apache-2.0",
        source="a test",
        output=output,
    )


def small_backbone(opset: int = 17, batch: int | str = "n", kind: int = TensorProto.FLOAT) -> ModelProto:
    """A 3 x 3 convolution with seeded weights: (batch, 3, h, w) -> (batch, 6, h - 2, w - 2)."""
    weights = np.random.default_rng(0).standard_normal((6, 3, 3, 3)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["pixels", "weights"], ["features"])],
        "backbone",
        [helper.make_tensor_value_info("pixels", kind, [batch, 3, "h", "w"])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [batch, 6, "a", "b"])],
        [numpy_helper.from_array(weights, "weights")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def saved(model: ModelProto, folder: Path) -> Path:
    path = folder / "backbone.onnx"
    onnx.save(model, path)
    return path


@pytest.mark.skipif(not MOBILENET.exists(), reason=f"{MOBILENET} is not on this machine")
def test_mobilenet_answers_as_its_backbone_pooled_by_numpy(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3), np.uint8)
    backbone = onnxruntime.InferenceSession(MOBILENET, providers=["CPUExecutionProvider"])
    seen = (pixels / 255.0 - np.array(IMAGENET.mean)) / np.array(IMAGENET.std)
    planes = np.ascontiguousarray(seen.transpose(0, 3, 1, 2), np.float32)
    expected = backbone.run(None, {"pixels": planes})[0].astype(np.float64).mean(axis=(2, 3))
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)

    card = make_artefact(MOBILENET, spec(side=224), tmp_path / "made")

    session = onnxruntime.InferenceSession(tmp_path / "made" / "model.onnx")
    vectors = session.run(["embedding"], {"pixels": pixels})[0]
    assert card.dimension == 1280
    assert (vectors * expected).sum(axis=1).min() > 0.99999


@pytest.mark.parametrize("opset", [11, 13, 17, 18, 21])
def test_backbones_of_every_common_opset_are_taken(tmp_path: Path, opset: int) -> None:
    card = make_artefact(saved(small_backbone(opset), tmp_path), spec("gem:3"), tmp_path / "made")

    assert card.dimension == 6


def test_a_batch_size_written_into_the_backbone_is_freed(tmp_path: Path) -> None:
    backbone = saved(small_backbone(batch=1), tmp_path)

    assert make_artefact(backbone, spec(), tmp_path / "made").dimension == 6


def test_the_card_beside_the_artefact_says_what_was_made(tmp_path: Path) -> None:
    card = make_artefact(saved(small_backbone(), tmp_path), spec("gem:3"), tmp_path / "made")

    assert card_from_text((tmp_path / "made" / CARD_FILE).read_text(encoding="utf-8")) == card
    assert card.pooling == "gem:3"
    check_artefact(tmp_path / "made" / card.artefact, card)


@pytest.mark.parametrize(
    ("backbone", "given", "sentence"),
    [
        (small_backbone(), spec("cls"), "4 axes"),
        (small_backbone(), spec(output="other"), "no output 'other'; it has: features"),
        (small_backbone(kind=TensorProto.UINT8), spec(), "float32"),
        (small_backbone(), spec(side=1), "ONNX Runtime|does not take"),
    ],
    ids=["pooling", "output", "type", "size"],
)
def test_what_does_not_go_together_is_refused_and_leaves_nothing(
    tmp_path: Path, backbone: ModelProto, given: BackboneSpec, sentence: str
) -> None:
    with pytest.raises(SoutuError, match=sentence) as error:
        make_artefact(saved(backbone, tmp_path), given, tmp_path / "made")

    assert error.value.reason is Reason.MODEL_INVALID
    assert [path.name for path in tmp_path.iterdir()] == ["backbone.onnx"]


def test_what_is_not_onnx_is_refused(tmp_path: Path) -> None:
    (tmp_path / "backbone.onnx").write_bytes(b"\xff\xfe nothing of the kind")

    with pytest.raises(SoutuError, match="cannot be read as ONNX"):
        make_artefact(tmp_path / "backbone.onnx", spec(), tmp_path / "made")


def test_without_normalisation_pixels_are_between_zero_and_one() -> None:
    assert Normalisation() == Normalisation(1 / 255, (0, 0, 0), (1, 1, 1))

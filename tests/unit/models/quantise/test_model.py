"""Quantising a small convolutional network with seeded weights, for real."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from soutu.domain.cards import CARD_FILE, card_from_text
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.model import InputSpec, ModelCard, ModelRef, Task
from soutu.models.artefact import BackboneSpec, make_artefact
from soutu.models.graph import GraphWriter, model_of
from soutu.models.normalisation import IMAGENET
from soutu.models.pooling import Pooling
from soutu.models.quantise.forms import Form
from soutu.models.quantise.model import QuantiseTerms, quantise_model
from soutu.models.verify import check_artefact
from tests.unit.models.local.toys import corner_finder, pair_finder, written
from tests.unit.models.quantise.photos import draw_classes

SIDE = 32


def small_network(folder: Path) -> Path:
    """Two convolutions with a shortcut: (n, 3, h, w) -> (n, 48, h / 2, w / 2)."""
    lots, graph = np.random.default_rng(1), GraphWriter()
    first = lots.normal(0, 0.2, (48, 3, 3, 3))
    second = lots.normal(0, 0.05, (48, 48, 3, 3))
    edges = graph.node("Relu", graph.node("Conv", "pixels", first, strides=[2, 2], pads=[1, 1, 1, 1]))
    shapes = graph.node("Conv", edges, second, pads=[1, 1, 1, 1])
    graph.node("Relu", graph.node("Add", edges, shapes), name="features")
    pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 3, "h", "w"])
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 48, "a", "b"])
    onnx.save(model_of(graph, "small", pixels, features), folder / "small.onnx")
    return folder / "small.onnx"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    spec = BackboneSpec(
        ModelRef("small", "1"), InputSpec(SIDE, SIDE), IMAGENET, Pooling.parse("avg"), "MIT", "a test"
    )
    make_artefact(small_network(tmp_path), spec, tmp_path / "model")
    return tmp_path / "model"


def card_in(folder: Path) -> ModelCard:
    return card_from_text((folder / CARD_FILE).read_text(encoding="utf-8"))


def kinds(folder: Path) -> list[str]:
    return [node.op_type for node in onnx.load(folder / "model.onnx").graph.node]


@pytest.mark.parametrize(
    ("form", "name", "least"),
    [
        (Form.CPU, "small-int8", 0.99),
        (Form.TENSORRT, "small-int8-symmetric", 0.99),
        (Form.FLOAT16, "small-fp16", 0.9999),
    ],
)
def test_a_form_keeps_the_vectors(tmp_path: Path, model: Path, form: Form, name: str, least: float) -> None:
    photos = draw_classes(tmp_path / "photos")
    report = quantise_model(model, QuantiseTerms(form, "2", photos, photos), tmp_path / "made")
    card = card_in(tmp_path / "made")
    assert card.ref == ModelRef(name, "2")
    assert card_in(model).sha256 in card.description
    check_artefact(tmp_path / "made" / card.artefact, card)
    assert report.least_cosine > least
    assert report.loss is not None
    assert report.loss <= 0.005
    assert report.original.mean_average_precision
    assert report.original.mean_average_precision > 0.5


def test_int8_leaves_only_the_edges_of_the_network_in_float(tmp_path: Path, model: Path) -> None:
    terms = QuantiseTerms(Form.CPU, calibrate=draw_classes(tmp_path / "photos"))
    quantise_model(model, terms, tmp_path / "made")
    graph = onnx.load(tmp_path / "made" / "model.onnx").graph
    types = {constant.data_type for constant in graph.initializer if len(constant.dims) == 4}
    assert types == {TensorProto.INT8}
    producer = {name: node.op_type for node in graph.node for name in node.output}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert [producer[node.input[0]] for node in convolutions] == ["DequantizeLinear"] * 2
    assert producer[graph.output[0].name] == "Div"


def test_the_form_for_tensorrt_is_symmetric_and_keeps_biases(tmp_path: Path, model: Path) -> None:
    terms = QuantiseTerms(Form.TENSORRT, calibrate=draw_classes(tmp_path / "photos"))
    quantise_model(model, terms, tmp_path / "made")
    graph = onnx.load(tmp_path / "made" / "model.onnx").graph
    constants = {constant.name: onnx.numpy_helper.to_array(constant) for constant in graph.initializer}
    points = [constants[node.input[2]] for node in graph.node if node.op_type == "QuantizeLinear"]
    assert points
    assert all(point.dtype == np.int8 and not point.any() for point in points)
    assert not any(array.dtype == np.int32 for array in constants.values())


def test_float16_halves_the_artefact(tmp_path: Path, model: Path) -> None:
    terms = QuantiseTerms(Form.FLOAT16, calibrate=draw_classes(tmp_path / "photos"))
    report = quantise_model(model, terms, tmp_path / "made")
    assert report.quantised.size_bytes < 0.6 * report.original.size_bytes
    assert report.loss is None


def test_one_that_loses_too_much_is_not_kept_unless_that_is_allowed(tmp_path: Path, model: Path) -> None:
    photos = draw_classes(tmp_path / "photos")
    with pytest.raises(SoutuError, match="--allow-loss") as failure:
        quantise_model(model, QuantiseTerms(Form.CPU, "1", photos, photos, most_loss=-1.0), tmp_path / "made")
    assert failure.value.reason is Reason.MODEL_LOSES
    assert not (tmp_path / "made").exists()
    quantise_model(model, QuantiseTerms(Form.CPU, "1", photos, photos, most_loss=None), tmp_path / "made")
    assert (tmp_path / "made" / CARD_FILE).exists()


def test_a_quantised_one_is_not_quantised_again(tmp_path: Path, model: Path) -> None:
    photos = draw_classes(tmp_path / "photos")
    quantise_model(model, QuantiseTerms(Form.CPU, calibrate=photos), tmp_path / "made")
    with pytest.raises(SoutuError, match="quantised already"):
        quantise_model(tmp_path / "made", QuantiseTerms(Form.CPU, calibrate=photos), tmp_path / "again")


@pytest.mark.parametrize("form", list(Form))
def test_local_features_are_not_quantised(tmp_path: Path, form: Form) -> None:
    """What a form loses is measured on vectors, which they have not."""
    for task, content in ((Task.LOCAL_FEATURES, corner_finder()), (Task.MATCH_FEATURES, pair_finder())):
        folder = tmp_path / task
        written(folder, task, content)
        terms = QuantiseTerms(form, calibrate=draw_classes(tmp_path / f"photos-{task}"))
        with pytest.raises(SoutuError, match=f"is for {task}; this needs one for embed-image") as failure:
            quantise_model(folder, terms, tmp_path / "made")
        assert failure.value.reason is Reason.MODEL_NOT_EMBEDDING
        assert not (tmp_path / "made").exists()


def test_int8_wants_pictures(tmp_path: Path, model: Path) -> None:
    with pytest.raises(SoutuError, match="--calibrate"):
        quantise_model(model, QuantiseTerms(Form.CPU), tmp_path / "made")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SoutuError, match="has no pictures"):
        quantise_model(model, QuantiseTerms(Form.CPU, calibrate=tmp_path / "empty"), tmp_path / "made")

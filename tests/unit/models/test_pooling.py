import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from soutu.domain.errors import SoutuError
from soutu.models.graph import GraphWriter, embedding_output, model_of
from soutu.models.pooling import Pooling, pooled

PLACES = np.random.default_rng(0).standard_normal((2, 5, 3, 4)).astype(np.float32)
TOKENS = np.random.default_rng(1).standard_normal((2, 6, 5)).astype(np.float32)


def run(features: NDArray[np.float32], pooling: Pooling) -> NDArray[np.float32]:
    graph = GraphWriter()
    graph.node("Identity", pooled(graph, "features", features.ndim, pooling), name="embedding")
    given = helper.make_tensor_value_info("features", TensorProto.FLOAT, features.shape)
    model = model_of(graph, "pooling", given, embedding_output("dimension"))
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    answer: NDArray[np.float32] = session.run(None, {"features": features})[0]
    return answer


def generalised_mean(values: NDArray[np.float32], exponent: float) -> NDArray[np.float32]:
    powered = np.maximum(values, 1e-6) ** exponent
    mean: NDArray[np.float32] = powered.mean(axis=-1) ** (1 / exponent)
    return mean


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("avg", PLACES.mean(axis=(2, 3))),
        ("max", PLACES.max(axis=(2, 3))),
        ("gem", generalised_mean(PLACES.reshape(2, 5, 12), 3)),
        ("gem:2.5", generalised_mean(PLACES.reshape(2, 5, 12), 2.5)),
    ],
)
def test_feature_maps(text: str, expected: NDArray[np.float32]) -> None:
    np.testing.assert_allclose(run(PLACES, Pooling.parse(text)), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("text", "skipped", "expected"),
    [
        ("cls", 0, TOKENS[:, 0]),
        ("avg", 0, TOKENS.mean(axis=1)),
        ("avg", 1, TOKENS[:, 1:].mean(axis=1)),
        ("max", 1, TOKENS[:, 1:].max(axis=1)),
        ("gem:4", 2, generalised_mean(TOKENS[:, 2:].transpose(0, 2, 1), 4)),
    ],
)
def test_tokens(text: str, skipped: int, expected: NDArray[np.float32]) -> None:
    np.testing.assert_allclose(run(TOKENS, Pooling.parse(text, skipped)), expected, rtol=1e-4, atol=1e-6)


def test_vectors_are_taken_as_they_are() -> None:
    vectors = PLACES[:, :, 0, 0].copy()

    np.testing.assert_array_equal(run(vectors, Pooling("none")), vectors)


@pytest.mark.parametrize(("text", "rank"), [("cls", 4), ("avg", 2), ("none", 4), ("max", 5)])
def test_features_of_another_kind_are_refused(text: str, rank: int) -> None:
    with pytest.raises(SoutuError, match=f"{rank} axes"):
        pooled(GraphWriter(), "features", rank, Pooling.parse(text))


@pytest.mark.parametrize("text", ["", "mean", "gem:x", "gem:-1", "gem:0", "gem:nan"])
def test_other_poolings_are_refused(text: str) -> None:
    with pytest.raises(SoutuError, match="no pooling"):
        Pooling.parse(text)

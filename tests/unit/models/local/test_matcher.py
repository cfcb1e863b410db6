"""The assignment in ONNX beside one written out in numpy."""

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

from soutu.domain.model import InputSpec
from soutu.models.graph import IR_VERSION, OPSET, GraphWriter
from soutu.models.local.matcher import assign, normalise_keypoints

KEYPOINTS = 12


def test_matches_are_mutual_sure_and_of_what_does_not_fill_up() -> None:
    lots = np.random.default_rng(0)
    logarithms = np.log(lots.random((5, KEYPOINTS, KEYPOINTS), np.float32))
    scores = [(lots.random((5, KEYPOINTS)) > 0.2).astype(np.float32) for _ in range(2)]
    graph = GraphWriter()
    assign(graph, "logarithms", KEYPOINTS, 0.85)
    given = {"logarithms": logarithms, "scores0": scores[0], "scores1": scores[1]}
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "test",
            [
                helper.make_tensor_value_info(key, TensorProto.FLOAT, each.shape)
                for key, each in given.items()
            ],
            [
                helper.make_tensor_value_info("matches", TensorProto.INT64, [5, KEYPOINTS]),
                helper.make_tensor_value_info("scores", TensorProto.FLOAT, [5, KEYPOINTS]),
            ],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    matches, chances = onnxruntime.InferenceSession(model.SerializeToString()).run(None, given)
    expected = np.full_like(matches, -1)
    for pair in range(5):
        there, others = scores[0][pair] > 0, scores[1][pair] > 0
        sure = np.where(there[:, None] & others[None], np.exp(logarithms[pair]), 0)
        for place in range(KEYPOINTS):
            partner = int(sure[place].argmax())
            if sure[place, partner] > 0.85 and sure[:, partner].argmax() == place:
                expected[pair, place] = partner
                np.testing.assert_allclose(chances[pair, place], sure[place, partner], rtol=1e-5)
    np.testing.assert_array_equal(matches, expected)
    assert not chances[expected < 0].any()
    assert (expected >= 0).sum() > 10


def test_keypoints_are_normalised_by_the_long_side() -> None:
    graph = GraphWriter()
    normalise_keypoints(graph, "keypoints", InputSpec(200, 100), "normal")
    places = helper.make_tensor_value_info("keypoints", TensorProto.FLOAT, [1, 3, 2])
    normal = helper.make_tensor_value_info("normal", TensorProto.FLOAT, [1, 3, 2])
    made = helper.make_graph(graph.nodes, "test", [places], [normal], graph.constants)
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(made, opset_imports=opsets, ir_version=IR_VERSION)
    given = np.array([[[0, 0], [100, 50], [200, 100]]], np.float32)
    (found,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"keypoints": given})
    np.testing.assert_allclose(found[0], np.array([[-1, -0.5], [0, 0], [1, 0.5]]))

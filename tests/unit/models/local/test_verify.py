from pathlib import Path

import numpy as np
import onnx
import pytest

from soutu.adapters.models.folders import FolderModels
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.model import InputSpec, Task
from soutu.models.graph import GraphWriter
from soutu.models.verify import check_artefact
from tests.unit.models.local.toys import SIDE, Spoil, corner_finder, pair_finder, written

LOCAL, MATCH = Task.LOCAL_FEATURES, Task.MATCH_FEATURES
NAN = float("nan")


def through(op: str, *others: object) -> Spoil:
    return lambda graph, value: graph.node(op, value, *others)  # type: ignore[arg-type]


def still(graph: GraphWriter, value: str) -> str:
    """The same keypoints, whatever the picture shows."""
    fixed = np.random.default_rng(0).integers(0, SIDE, (1, 64, 2)).astype(np.float32)
    return graph.node("Add", graph.node("Mul", value, 0.0), fixed)


def of_the_batch(graph: GraphWriter, value: str) -> str:
    """Scores that depend on how many pictures there are."""
    count = graph.node("Cast", graph.node("Gather", graph.node("Shape", value), [0]), to=1)
    return graph.node("Div", value, count)


def doubled(graph: GraphWriter, value: str) -> str:
    """All that match anything match the first."""
    return graph.node("Where", graph.node("Greater", value, -1), 0, value)


def turned(graph: GraphWriter, value: str) -> str:
    """Each match is that of another keypoint."""
    places = np.roll(np.arange(56), 1)
    kept = graph.node("Gather", value, places, axis=1)
    return graph.node("Concat", kept, graph.node("Slice", value, [56], [64], [1]), axis=1)


@pytest.mark.parametrize(("task", "content"), [(LOCAL, corner_finder()), (MATCH, pair_finder())])
def test_sound_models_are_added(tmp_path: Path, task: Task, content: bytes) -> None:
    _, card = written(tmp_path / "made", task, content)
    models = FolderModels(tmp_path / "models", tmp_path / "none", check_artefact)

    assert models.add(tmp_path / "made") == card


@pytest.mark.parametrize(
    ("spoilt", "spoil", "sentence"),
    [
        ("keypoints", through("Add", 100.0), "outside of the picture"),
        ("keypoints", still, "where it was shifted"),
        ("scores", through("Neg"), "below 0, or not the best first"),
        ("scores", through("Mul", 0.0), "finds no keypoints"),
        ("scores", of_the_batch, "alone and in a batch"),
        ("descriptors", through("Mul", 2.0), "length one"),
        ("descriptors", through("Mul", NAN), "not finite"),
    ],
)
def test_an_extractor_that_does_something_else_is_refused(
    tmp_path: Path, spoilt: str, spoil: Spoil, sentence: str
) -> None:
    refused(*written(tmp_path, LOCAL, corner_finder(spoilt, spoil)), sentence)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"keypoints": 63}, r"keypoints as float32 \(4, 64, 2\), not float32 \(4, 63, 2\)"),
        ({"dimension": 9}, r"descriptors as float32 \(4, 64, 8\), not float32 \(4, 64, 9\)"),
        ({"input": InputSpec(64, 96)}, "ONNX Runtime does not run"),
    ],
)
def test_an_extractor_that_differs_from_its_card_is_refused(
    tmp_path: Path, change: dict[str, object], sentence: str
) -> None:
    refused(*written(tmp_path, LOCAL, corner_finder(), **change), sentence)


@pytest.mark.parametrize(
    ("spoilt", "spoil", "sentence"),
    [
        ("matches", through("Add", 64), "no places of keypoints"),
        ("matches", through("Max", 0), "other than 0 for no match"),
        ("matches", doubled, "matches two keypoints with one"),
        ("matches", turned, "other than 0 for no match|where the same are there"),
        ("scores", through("Mul", 0.0), "other than 0 for no match"),
        ("scores", of_the_batch, "alone and in a batch"),
    ],
)
def test_a_matcher_that_does_something_else_is_refused(
    tmp_path: Path, spoilt: str, spoil: Spoil, sentence: str
) -> None:
    refused(*written(tmp_path, MATCH, pair_finder(spoilt, spoil)), sentence)


def test_a_matcher_without_an_input_that_servers_give_is_refused(tmp_path: Path) -> None:
    """Even one that it does not use: Triton's configuration, which is written by the card, has them all."""
    network = onnx.load_from_string(pair_finder())
    unused = [each for each in network.graph.input if each.name.startswith("keypoints")]
    for each in unused:
        network.graph.input.remove(each)
    assert len(unused) == 2
    content = network.SerializeToString()
    refused(*written(tmp_path, MATCH, content), "does not take keypoints0, keypoints1")


def test_a_file_for_another_task_is_refused(tmp_path: Path) -> None:
    refused(*written(tmp_path / "a", MATCH, corner_finder()), "takes pixels, which no matcher is given")
    refused(*written(tmp_path / "b", LOCAL, pair_finder()), "ONNX Runtime does not run")
    refused(*written(tmp_path / "c", LOCAL, b"rubbish"), "ONNX Runtime does not run")


def refused(path: Path, card: object, sentence: str) -> None:
    with pytest.raises(SoutuError, match=sentence) as error:
        check_artefact(path, card)  # type: ignore[arg-type]
    assert error.value.reason is Reason.MODEL_INVALID

"""A small extractor and a small matcher, made by hand, and what spoils them."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from soutu.domain.cards import CARD_FILE, card_text
from soutu.domain.model import Fit, InputSpec, ModelCard, ModelRef, Task
from soutu.domain.tensors import inputs_of, outputs_of
from soutu.models.graph import IR_VERSION, OPSET, GraphWriter, values_of
from soutu.models.local.detect import Detection, Sampling, detected, sampled, unit_rows
from soutu.models.local.matcher import assign

SIDE = 96
KEYPOINTS = 64
DIMENSION = 8

Spoil = Callable[[GraphWriter, str], str]
"""Puts nodes behind an output and returns the name of what comes out."""


def card_for(task: Task, content: bytes = b"", **given: object) -> ModelCard:
    """The card of one of the toys."""
    card: dict[str, object] = {
        "ref": ModelRef("corners" if task is Task.LOCAL_FEATURES else "pairs", "1"),
        "task": task,
        "dimension": DIMENSION,
        "input": InputSpec(SIDE, SIDE, Fit.PAD),
        "pooling": "none",
        "licence": "Apache-2.0",
        "source": "a test",
        "sha256": hashlib.sha256(content).hexdigest(),
        "keypoints": KEYPOINTS,
        "features": "corners" if task is Task.MATCH_FEATURES else "",
    }
    return ModelCard(**(card | given))  # type: ignore[arg-type]


def corner_finder(spoilt: str = "", spoil: Spoil | None = None) -> bytes:
    """Corners are where the picture changes both across and down; descriptors are of colours around. The
    output `spoilt` goes through `spoil`."""
    graph = GraphWriter()
    grey = graph.node("Mul", graph.node("Cast", "pixels", to=TensorProto.FLOAT), 1 / 255)
    planes = graph.node("Transpose", grey, perm=[0, 3, 1, 2])
    steps = np.array([[-1.0, 0, 1]] * 3)
    kernels = np.stack([np.stack([steps] * 3), np.stack([steps.T] * 3)])
    across, down = (
        graph.node("Abs", graph.node("Conv", planes, kernels[[place]], pads=[1] * 4)) for place in (0, 1)
    )
    heat = graph.node("Tanh", graph.node("Mul", across, down))
    found = detected(graph, heat, heat, (SIDE, SIDE), Detection(KEYPOINTS, border=2, threshold=0.1))
    mixed = np.random.default_rng(0).standard_normal((DIMENSION, 3, 5, 5))
    around = graph.node("Conv", planes, mixed, pads=[2] * 4)
    each = unit_rows(graph, sampled(graph, around, found.places, Sampling.of_pixels((SIDE, SIDE))))
    _give(graph, {"keypoints": found.places, "scores": found.scores, "descriptors": each}, spoilt, spoil)
    return _model(graph, card_for(Task.LOCAL_FEATURES))


def pair_finder(spoilt: str = "", spoil: Spoil | None = None) -> bytes:
    """Features match by the cosine of their descriptors alone."""
    graph = GraphWriter()
    other = graph.node("Transpose", "descriptors1", perm=[0, 2, 1])
    alike = graph.node("MatMul", "descriptors0", other)
    assign(graph, graph.node("Mul", graph.node("Sub", alike, 1.0), 10.0), KEYPOINTS, 0.1)
    for node in graph.nodes:
        for place, name in enumerate(node.output):
            if name in ("matches", "scores"):
                node.output[place] = f"sound_{name}"
    names = {"matches": "sound_matches", "scores": "sound_scores"}
    _give(graph, names, spoilt, spoil)
    return _model(graph, card_for(Task.MATCH_FEATURES))


def written(folder: Path, task: Task, content: bytes, **given: object) -> tuple[Path, ModelCard]:
    """The artefact in `folder`, with its card beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    card = card_for(task, content, **given)
    (folder / card.artefact).write_bytes(content)
    (folder / CARD_FILE).write_text(card_text(card), encoding="utf-8")
    return folder / card.artefact, card


def _give(graph: GraphWriter, names: dict[str, str], spoilt: str, spoil: Spoil | None) -> None:
    for name, value in names.items():
        given = spoil(graph, value) if spoil and name == spoilt else value
        graph.node("Identity", given, name=name)


def _model(graph: GraphWriter, card: ModelCard) -> bytes:
    outputs = [onnx.ValueInfoProto(name=each.name, type=each.type) for each in values_of(outputs_of(card))]
    made = helper.make_graph(graph.nodes, "toy", values_of(inputs_of(card)), outputs, graph.constants)
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(made, opset_imports=opsets, ir_version=IR_VERSION)
    return bytes(model.SerializeToString())

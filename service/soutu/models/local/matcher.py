"""Makes a model's folder of a network that compares two sets of local features: matches out.

Needs the extra `models` (onnx).
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import ModelProto, compose, helper

from soutu.domain.model import Fit, InputSpec, ModelCard, ModelRef, Task
from soutu.domain.tensors import inputs_of, outputs_of
from soutu.models.backbone import PREFIX, checked, loaded
from soutu.models.folder import write_folder
from soutu.models.graph import GraphWriter, values_of

_TAKEN = ("keypoints", "descriptors")
_NEVER = -1e4  # the logarithm of a chance that is none


@dataclass(frozen=True, slots=True)
class MatcherSpec:
    """What a matcher's file does not say about itself.

    `input` is the rectangle that keypoints lie in, that of the model `features`, which has so many
    `keypoints` with descriptors of `dimension`. Matches of less than `threshold` are none.
    """

    ref: ModelRef
    input: InputSpec
    keypoints: int
    dimension: int
    features: str
    licence: str
    source: str
    threshold: float = 0.1
    description: str = ""


@dataclass(frozen=True, slots=True)
class Compared:
    """A network whose output, by this name, is float32 (n, k, k): the logarithm of how sure it is that each
    keypoint of the first set is each of the second.

    It takes `keypoints0` and `keypoints1`, normalised, and the descriptors, by the names of `inputs`.
    """

    model: ModelProto
    logarithms: str
    inputs: tuple[str, str, str, str]


def compared_by_name(network: ModelProto) -> Compared:
    """A network that takes `keypoints0`, `keypoints1`, `descriptors0` and `descriptors1`, and answers with
    `logarithms`."""
    model = compose.add_prefix(network, PREFIX)
    first, second, third, fourth = (f"{PREFIX}{name}{which}" for name in _TAKEN for which in "01")
    return Compared(model, f"{PREFIX}logarithms", (first, second, third, fourth))


Comparison = Callable[[ModelProto], Compared]
"""Frees a network of its own matching; MODEL_INVALID for another one."""


def make_matcher(network: Path, comparison: Comparison, spec: MatcherSpec, folder: Path) -> ModelCard:
    """Writes `folder` (new) with the artefact and its card; MODEL_INVALID if the network cannot be used.

    The artefact is proven first, as `soutu models add` proves it. The folder appears whole or not at all.
    """
    content = matcher(comparison(loaded(network)), spec).SerializeToString()
    card = card_of(spec, hashlib.sha256(content).hexdigest())
    write_folder(folder, content, card)
    return card


def matcher(compared: Compared, spec: MatcherSpec) -> ModelProto:
    """The artefact around a comparison: keypoints in pixels in, mutual matches out."""
    model, card = compared.model, card_of(spec, "")
    before, after = GraphWriter("before/"), GraphWriter("after/")
    for which in "01":
        normalise_keypoints(before, f"keypoints{which}", spec.input, compared.inputs[int(which)])
        before.node("Identity", f"descriptors{which}", name=compared.inputs[2 + int(which)])
    assign(after, compared.logarithms, spec.keypoints, spec.threshold)
    outer = helper.make_graph(
        [*before.nodes, *model.graph.node, *after.nodes],
        str(spec.ref),
        values_of(inputs_of(card)),
        values_of(outputs_of(card)),
        [*before.constants, *model.graph.initializer, *after.constants],
    )
    whole = ModelProto()
    whole.CopyFrom(model)
    whole.graph.CopyFrom(outer)
    checked(whole)
    return whole


def normalise_keypoints(graph: GraphWriter, keypoints: str, frame: InputSpec, name: str) -> None:
    """Pixels to -1 to 1 along the long side, 0 in the middle, as LightGlue was trained (P. Lindenberger,
    P.-E. Sarlin and M. Pollefeys, "LightGlue: Local feature matching at light speed", 2023)."""
    middle = np.array([frame.width / 2, frame.height / 2])
    centred = graph.node("Sub", keypoints, middle)
    graph.node("Div", centred, max(frame.width, frame.height) / 2, name=name)


def assign(graph: GraphWriter, logarithms: str, keypoints: int, threshold: float) -> None:
    """The outputs "matches" and "scores" of logarithms (n, k, k): pairs that are each other's best and surer
    than `threshold`, and that do not only fill up: "scores0" and "scores1" are above 0."""
    there = [graph.node("Greater", f"scores{which}", 0.0) for which in "01"]
    both = graph.node("And", graph.node("Unsqueeze", there[0], [2]), graph.node("Unsqueeze", there[1], [1]))
    sure = graph.node("Where", both, logarithms, _NEVER)
    greatest, partners = (graph.node("Squeeze", each, [2]) for each in graph.top(sure, 1))
    _, back = graph.top(graph.node("Transpose", sure, perm=[0, 2, 1]), 1)
    returned = graph.node("GatherElements", graph.node("Squeeze", back, [2]), partners, axis=1)
    mutual = graph.node("Equal", returned, np.arange(keypoints)[None])
    chances = graph.node("Exp", greatest)
    kept = graph.node("And", mutual, graph.node("Greater", chances, float(threshold)))
    graph.node("Where", kept, partners, -1, name="matches")
    graph.node("Where", kept, chances, 0.0, name="scores")


def card_of(spec: MatcherSpec, sha256: str) -> ModelCard:
    """The card of an artefact that `matcher` made."""
    frame = InputSpec(spec.input.width, spec.input.height, Fit.PAD)
    return ModelCard(
        ref=spec.ref,
        task=Task.MATCH_FEATURES,
        dimension=spec.dimension,
        input=frame,
        pooling="none",
        licence=spec.licence,
        source=spec.source,
        sha256=sha256,
        description=spec.description,
        keypoints=spec.keypoints,
        features=spec.features,
    )

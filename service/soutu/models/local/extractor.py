"""Makes a model's folder of a network that answers with dense maps: pixels in, local features out.

Needs the extra `models` (onnx).
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from onnx import GraphProto, ModelProto

from soutu.domain.cards import invalid_model
from soutu.domain.model import InputSpec, ModelCard, ModelRef, Task
from soutu.domain.tensors import inputs_of, outputs_of
from soutu.models.backbone import (
    checked,
    loaded,
    normalise,
    output_named,
    picture_input,
    prefixed,
    surround,
)
from soutu.models.folder import write_folder
from soutu.models.graph import GraphWriter, values_of
from soutu.models.local.detect import Keypoints
from soutu.models.normalisation import Normalisation

_GRID_SAMPLE_CHANGED = 20  # the opset from which on its modes have other names


@dataclass(frozen=True, slots=True)
class Maps:
    """A backbone's outputs, by the names that they have in a graph around it."""

    graph: GraphProto
    size: tuple[int, int]

    def __getitem__(self, name: str) -> str:
        """The name of an output; MODEL_INVALID lists what there is."""
        return output_named(self.graph, name).name


Head = Callable[[GraphWriter, Maps, int], Keypoints]
"""Adds the nodes from a backbone's maps to so many keypoints and to the output "descriptors"."""


@dataclass(frozen=True, slots=True)
class ExtractorSpec:
    """What a backbone's file does not say about itself.

    Its input is float32 (n, 3, height, width); `head` knows its outputs. `dimension` is of descriptors.
    """

    ref: ModelRef
    input: InputSpec
    normalisation: Normalisation
    keypoints: int
    dimension: int
    head: Head
    licence: str
    source: str
    description: str = ""


def make_extractor(backbone: Path, spec: ExtractorSpec, folder: Path) -> ModelCard:
    """Writes `folder` (new) with the artefact and its card; MODEL_INVALID if the backbone cannot be used.

    The artefact is proven first, as `soutu models add` proves it. The folder appears whole or not at all.
    """
    content = extractor(loaded(backbone), spec).SerializeToString()
    card = card_of(spec, hashlib.sha256(content).hexdigest())
    write_folder(folder, content, card)
    return card


def extractor(backbone: ModelProto, spec: ExtractorSpec) -> ModelProto:
    """The artefact around a backbone, which is left as it was; MODEL_INVALID if they do not go together."""
    model = prefixed(backbone)
    if any(opset.version >= _GRID_SAMPLE_CHANGED for opset in model.opset_import if not opset.domain):
        raise invalid_model(f"A backbone of local features is of an opset below {_GRID_SAMPLE_CHANGED}.")
    before, after = GraphWriter("before/"), GraphWriter("after/")
    normalise(before, spec.normalisation, picture_input(model.graph))
    maps = Maps(model.graph, (spec.input.height, spec.input.width))
    keypoints = spec.head(after, maps, spec.keypoints)
    after.node("Identity", keypoints.places, name="keypoints")
    after.node("Identity", keypoints.scores, name="scores")
    card = card_of(spec, "")
    surround(model, before, after, values_of(inputs_of(card)), values_of(outputs_of(card)), str(spec.ref))
    checked(model)
    return model


def card_of(spec: ExtractorSpec, sha256: str) -> ModelCard:
    """The card of an artefact that `extractor` made."""
    return ModelCard(
        ref=spec.ref,
        task=Task.LOCAL_FEATURES,
        dimension=spec.dimension,
        input=spec.input,
        pooling="none",
        licence=spec.licence,
        source=spec.source,
        sha256=sha256,
        description=spec.description,
        keypoints=spec.keypoints,
    )

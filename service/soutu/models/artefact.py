"""Makes a model folder of any backbone in ONNX: pixels in, unit vectors out, everything between in the graph.

Needs the extra `models` (onnx).
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from onnx import ModelProto

from soutu.domain.cards import invalid_model
from soutu.domain.model import InputSpec, ModelCard, ModelRef, Task
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
from soutu.models.graph import GraphWriter, embedding_output, pixels_input
from soutu.models.normalisation import Normalisation
from soutu.models.pooling import Pooling, pooled

_SMALLEST_SQUARE = 1e-24


@dataclass(frozen=True, slots=True)
class BackboneSpec:
    """What a backbone's file does not say about itself.

    Its input is float32 (n, 3, height, width); `output` names the output to pool, "" the first one.
    """

    ref: ModelRef
    input: InputSpec
    normalisation: Normalisation
    pooling: Pooling
    licence: str
    source: str
    output: str = ""
    description: str = ""


def make_artefact(backbone: Path, spec: BackboneSpec, folder: Path) -> ModelCard:
    """Writes `folder` (new) with the artefact and its card; MODEL_INVALID if the backbone cannot be used.

    The artefact is proven first: checked by onnx and run by ONNX Runtime. The folder appears whole or not
    at all.
    """
    model = wrapped(loaded(backbone), spec)
    content = model.SerializeToString()
    card = _card(model, spec, hashlib.sha256(content).hexdigest())
    write_folder(folder, content, card)
    return card


def wrapped(backbone: ModelProto, spec: BackboneSpec) -> ModelProto:
    """The artefact around a backbone, which is left as it was; MODEL_INVALID if they do not go together."""
    model = prefixed(backbone)
    inner, before, after = model.graph, GraphWriter("before/"), GraphWriter("after/")
    normalise(before, spec.normalisation, picture_input(inner))
    features = output_named(inner, spec.output)
    rank = len(features.type.tensor_type.shape.dim)
    _unit(after, pooled(after, features.name, rank, spec.pooling))
    inputs = [pixels_input(spec.input.height, spec.input.width)]
    surround(model, before, after, inputs, [embedding_output("dimension")], str(spec.ref))
    return _with_dimension(model)


def _unit(graph: GraphWriter, vectors: str) -> None:
    squares = graph.node("ReduceSum", graph.node("Mul", vectors, vectors), [1], keepdims=1)
    length = graph.node("Sqrt", graph.node("Max", squares, _SMALLEST_SQUARE))
    graph.node("Div", vectors, length, name="embedding")


def _with_dimension(model: ModelProto) -> ModelProto:
    """The same model, checked, its output's dimension written down."""
    dimension = _dimension(checked(model))
    if not dimension:
        raise invalid_model("The backbone does not say how long its vectors are.")
    model.graph.output[0].CopyFrom(embedding_output(dimension))
    return model


def _dimension(model: ModelProto) -> int:
    return int(model.graph.output[0].type.tensor_type.shape.dim[1].dim_value)


def _card(model: ModelProto, spec: BackboneSpec, sha256: str) -> ModelCard:
    return ModelCard(
        ref=spec.ref,
        task=Task.EMBED_IMAGE,
        dimension=_dimension(model),
        input=spec.input,
        pooling=str(spec.pooling),
        licence=spec.licence,
        source=spec.source,
        sha256=sha256,
        description=spec.description,
    )

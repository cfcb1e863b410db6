"""Makes a model folder of any backbone in ONNX: pixels in, unit vectors out, everything between in the graph.

Needs the extra `models` (onnx).
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import GraphProto, ModelProto, TensorProto, compose, helper, shape_inference, version_converter

from soutu.domain.cards import invalid_model
from soutu.domain.model import InputSpec, ModelCard, ModelRef, Task
from soutu.models.folder import finish_folder, new_folder
from soutu.models.graph import OPSET, GraphWriter, embedding_output, pixels_input
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
    model = wrapped(_loaded(backbone), spec)
    content = model.SerializeToString()
    card = _card(model, spec, hashlib.sha256(content).hexdigest())
    with new_folder(folder) as made:
        (made / card.artefact).write_bytes(content)
        finish_folder(made, card)
    return card


def wrapped(backbone: ModelProto, spec: BackboneSpec) -> ModelProto:
    """The artefact around a backbone, which is left as it was; MODEL_INVALID if they do not go together."""
    model = compose.add_prefix(_at_our_opset(backbone), "backbone/")
    inner, before, after = model.graph, GraphWriter("before/"), GraphWriter("after/")
    _normalise(before, spec.normalisation, _picture_input(inner))
    features, rank = _features(inner, spec.output)
    _unit(after, pooled(after, features, rank, spec.pooling))
    outer = helper.make_graph(
        [*before.nodes, *inner.node, *after.nodes],
        str(spec.ref),
        [pixels_input(spec.input.height, spec.input.width)],
        [embedding_output("dimension")],
        [*before.constants, *inner.initializer, *after.constants],
    )
    model.graph.CopyFrom(outer)
    return _with_dimension(model)


def _loaded(path: Path) -> ModelProto:
    try:
        return shape_inference.infer_shapes(onnx.load(path))
    except (OSError, DecodeError, shape_inference.InferenceError) as error:
        raise invalid_model(f"{path.name} cannot be read as ONNX.") from error


def _at_our_opset(model: ModelProto) -> ModelProto:
    version = next((opset.version for opset in model.opset_import if not opset.domain), OPSET)
    if version >= OPSET:
        return model  # every node that we add means the same in the later ones
    return shape_inference.infer_shapes(version_converter.convert_version(model, OPSET))


def _picture_input(graph: GraphProto) -> str:
    constants = {constant.name for constant in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1 or inputs[0].type.tensor_type.elem_type != TensorProto.FLOAT:
        raise invalid_model("A backbone has one input, float32 (n, 3, height, width).")
    return inputs[0].name


def _features(graph: GraphProto, name: str) -> tuple[str, int]:
    """The output to pool and how many axes it has."""
    outputs = {value.name.removeprefix("backbone/"): value for value in graph.output}
    wanted = name or next(iter(outputs))
    if wanted not in outputs:
        raise invalid_model(f"The backbone has no output {wanted!r}; it has: {', '.join(outputs)}.")
    return outputs[wanted].name, len(outputs[wanted].type.tensor_type.shape.dim)


def _normalise(graph: GraphWriter, normalisation: Normalisation, name: str) -> None:
    """uint8 "pixels" (n, h, w, 3) -> float32 (n, 3, h, w) under `name`."""
    std = np.asarray(normalisation.std)
    values = graph.node("Mul", graph.node("Cast", "pixels", to=TensorProto.FLOAT), normalisation.scale / std)
    centred = graph.node("Sub", values, np.asarray(normalisation.mean) / std)
    graph.node("Transpose", centred, perm=[0, 3, 1, 2], name=name)


def _unit(graph: GraphWriter, vectors: str) -> None:
    squares = graph.node("ReduceSum", graph.node("Mul", vectors, vectors), [1], keepdims=1)
    length = graph.node("Sqrt", graph.node("Max", squares, _SMALLEST_SQUARE))
    graph.node("Div", vectors, length, name="embedding")


def _with_dimension(model: ModelProto) -> ModelProto:
    """The same model, checked, its output's dimension written down."""
    try:
        known = shape_inference.infer_shapes(model, strict_mode=True)
        onnx.checker.check_model(known)
    except (onnx.checker.ValidationError, shape_inference.InferenceError) as error:
        raise invalid_model(f"The backbone does not take this input: {error}") from error
    dimension = _dimension(known)
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

"""A network in ONNX, and the graph that it is put into. Needs `onnx`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import (
    GraphProto,
    ModelProto,
    TensorProto,
    ValueInfoProto,
    compose,
    helper,
    shape_inference,
    version_converter,
)

from soutu.domain.cards import invalid_model
from soutu.models.graph import OPSET, GraphWriter
from soutu.models.normalisation import Normalisation

PREFIX = "backbone/"
"""What the names of a backbone's values begin with once it lies in another graph."""


def loaded(path: Path) -> ModelProto:
    """The network, its shapes inferred; MODEL_INVALID for what is none."""
    try:
        return shape_inference.infer_shapes(onnx.load(path))
    except (OSError, DecodeError, shape_inference.InferenceError) as error:
        raise invalid_model(f"{path.name} cannot be read as ONNX.") from error


def prefixed(backbone: ModelProto) -> ModelProto:
    """A copy, its names prefixed, at our opset or a later one, where the nodes that we add mean the same."""
    version = next((opset.version for opset in backbone.opset_import if not opset.domain), OPSET)
    if version < OPSET:
        backbone = shape_inference.infer_shapes(version_converter.convert_version(backbone, OPSET))
    return compose.add_prefix(backbone, PREFIX)


def picture_input(graph: GraphProto) -> str:
    """The name of a backbone's one input; MODEL_INVALID unless it has one, of float32."""
    constants = {constant.name for constant in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1 or inputs[0].type.tensor_type.elem_type != TensorProto.FLOAT:
        raise invalid_model("A backbone has one input, float32 (n, 3, height, width).")
    return inputs[0].name


def output_named(graph: GraphProto, name: str) -> ValueInfoProto:
    """A prefixed backbone's output called `name`, "" for the first; MODEL_INVALID lists what it has."""
    outputs = {value.name.removeprefix(PREFIX): value for value in graph.output}
    wanted = name or next(iter(outputs))
    if wanted not in outputs:
        raise invalid_model(f"The backbone has no output {wanted!r}; it has: {', '.join(outputs)}.")
    return outputs[wanted]


def normalise(graph: GraphWriter, normalisation: Normalisation, name: str) -> None:
    """uint8 "pixels" (n, h, w, 3) -> float32 (n, 3, h, w) under `name`."""
    std = np.asarray(normalisation.std)
    values = graph.node("Mul", graph.node("Cast", "pixels", to=TensorProto.FLOAT), normalisation.scale / std)
    centred = graph.node("Sub", values, np.asarray(normalisation.mean) / std)
    graph.node("Transpose", centred, perm=[0, 3, 1, 2], name=name)


def surround(
    model: ModelProto,
    before: GraphWriter,
    after: GraphWriter,
    inputs: Sequence[ValueInfoProto],
    outputs: Sequence[ValueInfoProto],
    name: str,
) -> None:
    """Puts nodes before and after a prefixed backbone, in place."""
    inner = model.graph
    outer = helper.make_graph(
        [*before.nodes, *inner.node, *after.nodes],
        name,
        inputs,
        outputs,
        [*before.constants, *inner.initializer, *after.constants],
    )
    model.graph.CopyFrom(outer)


def checked(model: ModelProto) -> ModelProto:
    """The model with all shapes inferred; MODEL_INVALID where onnx finds it unsound."""
    try:
        known = shape_inference.infer_shapes(model, strict_mode=True)
        onnx.checker.check_model(known)
    except (onnx.checker.ValidationError, shape_inference.InferenceError) as error:
        raise invalid_model(f"The backbone does not take this input: {error}") from error
    return known

"""Writes float16 artefacts: the network in float16, its edges in float32.

The network is every node from the first that multiplies by weights to the last; before it lies the input's
normalisation, behind it pooling and the vectors' length, whose sums of squares leave the range of float16.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

from soutu.models.quantise.forms import edge_nodes
from soutu.models.quantise.int8 import float32_model

_LARGEST = 65504.0


def write_float16(artefact: Path, target: Path) -> None:
    """Writes `target`; it takes and answers with what `artefact` does. MODEL_INVALID if that is quantised."""
    model = float32_model(artefact)
    _halve(model.graph)
    onnx.save(model, target)


def _halve(graph: GraphProto) -> None:
    edges = set(edge_nodes(graph))
    floats = _floats(graph)
    halved = {name for node in graph.node if node.name not in edges for name in node.input}
    edged = {name for node in graph.node if node.name in edges for name in node.input}
    inner = {constant.name for constant in graph.initializer} & floats & (halved - edged)
    nodes = list(_cast_nodes(graph, edges, floats - inner))
    for constant in graph.initializer:
        if constant.name in inner:
            constant.CopyFrom(_half(constant))
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)


def _cast_nodes(graph: GraphProto, edges: set[str], values: set[str]) -> Iterator[NodeProto]:
    """The nodes, with a cast wherever one of the float `values` passes between network and edge."""
    inside = {name: node.name not in edges for node in graph.node for name in node.output}
    cast: set[str] = set()
    for node in graph.node:
        within = node.name not in edges
        for place, name in enumerate(node.input):
            if name not in values or inside.get(name, False) == within:
                continue
            other = f"{name}/{'half' if within else 'full'}"
            if other not in cast:
                kind = TensorProto.FLOAT16 if within else TensorProto.FLOAT
                yield helper.make_node("Cast", [name], [other], f"{other}/cast", to=kind)
                cast.add(other)
            node.input[place] = other
        yield _halved(node) if within else node


def _halved(node: NodeProto) -> NodeProto:
    """The node with the float32 that its attributes name made float16."""
    for attribute in node.attribute:
        if attribute.name == "to" and attribute.i == TensorProto.FLOAT:
            attribute.i = TensorProto.FLOAT16
        if attribute.t.data_type == TensorProto.FLOAT:
            attribute.t.CopyFrom(_half(attribute.t))
    return node


def _half(tensor: TensorProto) -> TensorProto:
    values = numpy_helper.to_array(tensor).clip(-_LARGEST, _LARGEST).astype(np.float16)
    return numpy_helper.from_array(values, tensor.name)


def _floats(graph: GraphProto) -> set[str]:
    """The names of all values and constants that are float32."""
    known = [*graph.value_info, *graph.output]
    floats = {value.name for value in known if value.type.tensor_type.elem_type == TensorProto.FLOAT}
    return floats | {each.name for each in graph.initializer if each.data_type == TensorProto.FLOAT}

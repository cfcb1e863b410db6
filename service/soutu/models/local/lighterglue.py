"""LighterGlue (G. Potje et al., "XFeat", 2024: a LightGlue of a third the width) out of its ONNX file.

The file takes one pair at a time and answers with as many matches as there are. What it knows of that is in
the shapes that it reshapes to, and behind its matrix of logarithms.
"""

import numpy as np
from onnx import GraphProto, ModelProto, compose, numpy_helper

from soutu.domain.cards import invalid_model
from soutu.models.backbone import PREFIX
from soutu.models.local.matcher import Compared

_INPUTS = ("kpts0", "kpts1", "desc0", "desc1")


def lighterglue(network: ModelProto) -> Compared:
    """The comparison in it, for any number of pairs; MODEL_INVALID for a network of another shape."""
    model = compose.add_prefix(network, PREFIX)
    graph = model.graph
    choices = {node.input[0] for node in graph.node if node.op_type == "TopK"}
    names = tuple(f"{PREFIX}{name}" for name in _INPUTS)
    if len(choices) != 1 or {value.name for value in graph.input} != set(names):
        raise invalid_model(f"This is no LighterGlue: it takes {', '.join(_INPUTS)} and has one matrix.")
    (logarithms,) = choices
    _keep_what_leads_to(graph, logarithms)
    _free_batch(graph)
    first, second, third, fourth = names
    return Compared(model, logarithms, (first, second, third, fourth))


def _keep_what_leads_to(graph: GraphProto, value: str) -> None:
    needed, kept = {value}, []
    for node in reversed(graph.node):
        if needed & set(node.output):
            needed |= set(node.input)
            kept.append(node)
    constants = [constant for constant in graph.initializer if constant.name in needed]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(reversed(kept))
    graph.initializer.extend(constants)


def _free_batch(graph: GraphProto) -> None:
    """A first axis of one, or a second behind that of cosines and sines, becomes as long as it is (0)."""
    shapes = {node.input[1] for node in graph.node if node.op_type == "Reshape"}
    for constant in graph.initializer:
        if constant.name in shapes:
            shape = numpy_helper.to_array(constant).copy()
            shape[: 1 + (shape[0] == 2)] = 0
            constant.CopyFrom(numpy_helper.from_array(np.asarray(shape, np.int64), constant.name))

"""Writes ONNX graphs node by node. Needs `onnx`, so only the commands that make artefacts import this."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from soutu.domain.tensors import Kind, Tensor

OPSET = 17  # ONNX Runtime 1.12+, TensorRT 8.5+ and Triton's backends of that time read it
IR_VERSION = 8  # the file format that goes with opset 17

Attribute = int | float | str | Sequence[int] | Sequence[float]


class GraphWriter:
    """Nodes and constants in the order they are asked for; every name begins with `prefix`.

    Equal calls in equal order make equal bytes, with the same version of `onnx`.
    """

    def __init__(self, prefix: str = "") -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self._prefix = prefix
        self._names: dict[tuple[bytes, tuple[int, ...], str], str] = {}

    def constant(self, values: ArrayLike) -> str:
        """The name of a constant: int64 where `values` are integers, else float32; equal ones are shared."""
        array = np.asarray(values)
        array = array.astype(np.int64 if array.dtype.kind in "iu" else np.float32)
        key = (array.tobytes(), array.shape, array.dtype.str)
        if key not in self._names:
            self._names[key] = f"{self._prefix}constant_{len(self._names)}"
            self.constants.append(numpy_helper.from_array(array, self._names[key]))
        return self._names[key]

    def node(self, op: str, *inputs: str | ArrayLike, name: str = "", **attributes: Attribute) -> str:
        """Adds a node and returns the name of its one output. Inputs that are not names are constants."""
        names = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        output = name or f"{self._prefix}{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, names, [output]))
        for key, value in attributes.items():
            self.nodes[-1].attribute.append(helper.make_attribute(key, value))
        return output

    def top(self, values: str, count: int) -> tuple[str, str]:
        """The greatest `count` of the last axis, greatest first, and their places (int64)."""
        greatest = f"{self._prefix}greatest_{len(self.nodes)}"
        places = f"{self._prefix}places_{len(self.nodes)}"
        node = helper.make_node("TopK", [values, self.constant([count])], [greatest, places])
        self.nodes.append(node)
        return greatest, places


def values_of(tensors: Sequence[Tensor]) -> list[ValueInfoProto]:
    """The inputs or outputs of a card as ONNX writes them."""
    kinds = {Kind.UINT8: TensorProto.UINT8, Kind.INT64: TensorProto.INT64, Kind.FLOAT32: TensorProto.FLOAT}
    return [
        helper.make_tensor_value_info(each.name, kinds[each.kind], ["n", *each.shape]) for each in tensors
    ]


def pixels_input(height: int, width: int) -> ValueInfoProto:
    """The input that every artefact has: uint8 RGB "pixels" (n, height, width, 3)."""
    return helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", height, width, 3])


def tokens_input(context: int) -> ValueInfoProto:
    """The input that every text tower has: int64 "tokens" (n, context)."""
    return helper.make_tensor_value_info("tokens", TensorProto.INT64, ["n", context])


def embedding_output(dimension: int | str) -> ValueInfoProto:
    """The output that every artefact has: float32 "embedding" (n, dimension); a name if not yet known."""
    return helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", dimension])


def model_of(writer: GraphWriter, name: str, inputs: ValueInfoProto, output: ValueInfoProto) -> ModelProto:
    """The finished model of everything the writer holds."""
    graph = helper.make_graph(writer.nodes, name, [inputs], [output], writer.constants)
    opsets = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="soutu")

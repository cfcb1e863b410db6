"""The forms that an artefact may be made smaller in, and which of its nodes each touches."""

from enum import StrEnum

from onnx import GraphProto, NodeProto

# The convolutions and what ONNX Runtime fuses with them. Pooling, normalisation of the input and the length
# of the vectors need more than eight bits, as do LayerNorm, Softmax and GELU in transformers.
_CONVOLUTIONAL = ("Conv", "Relu", "Clip", "Add", "MaxPool")
_HEAVY = ("Conv", "MatMul")


class Form(StrEnum):
    """What an artefact is turned into."""

    CPU = "cpu"  # asymmetric uint8 activations, for ONNX Runtime and OpenVINO
    TENSORRT = "tensorrt"  # symmetric int8 activations, biases and weights kept in float32 around Q/DQ
    FLOAT16 = "float16"

    @property
    def suffix(self) -> str:
        """What is put behind the model's name."""
        return {"cpu": "-int8", "tensorrt": "-int8-symmetric", "float16": "-fp16"}[self.value]


def quantised_types(graph: GraphProto, form: Form) -> tuple[str, ...]:
    """The kinds of nodes of this network that int8 is for.

    TensorRT fuses by itself what follows a convolution, where no Q/DQ lies between.
    """
    kinds = {node.op_type for node in graph.node}
    if form is Form.TENSORRT or kinds & {"Softmax", "LayerNormalization"}:
        return _HEAVY
    return _CONVOLUTIONAL


def float_nodes(graph: GraphProto) -> list[str]:
    """The names of nodes that int8 is not for though their kind is: the edges, and products of two
    activations (attention)."""
    weights = {constant.name for constant in graph.initializer}
    products = [node.name for node in graph.node if node.op_type == "MatMul" and not _is_heavy(node, weights)]
    return [*edge_nodes(graph), *products]


def edge_nodes(graph: GraphProto) -> list[str]:
    """The names of nodes before the first heavy one and after the last: the input's normalisation, the
    pooling and the vectors' length, which need float32."""
    weights = {constant.name for constant in graph.initializer}
    heavy = [place for place, node in enumerate(graph.node) if _is_heavy(node, weights)]
    first, last = (heavy[0], _fused_until(graph, heavy[-1])) if heavy else (0, 0)
    return [node.name for place, node in enumerate(graph.node) if not first <= place <= last]


def _is_heavy(node: NodeProto, weights: set[str]) -> bool:
    """Whether it multiplies by weights."""
    return node.op_type in _HEAVY and node.input[1] in weights


def _fused_until(graph: GraphProto, last: int) -> int:
    """The place of the activation and addition that follow the node at `last`."""
    place = last
    while place + 1 < len(graph.node) and graph.node[place + 1].op_type in ("Relu", "Clip", "Add"):
        place += 1
    return place

"""The whole descriptor, and its card's facts.

Two blocks of non-negative numbers, each raised to a power and scaled to unit length, are weighted, joined and
scaled to unit length again. The power keeps one large surface from drowning the rest: Arandjelovic &
Zisserman, "Three things everyone should know to improve object retrieval" (RootSIFT, 2012). The descriptor
knows colours and coarse shape, not what things are.
"""

from onnx import ModelProto, TensorProto

from soutu.models.descriptor.colour import OPPONENT, colour_block, reachable_bins
from soutu.models.descriptor.design import DescriptorDesign
from soutu.models.descriptor.edges import edge_block, edge_dimension
from soutu.models.graph import GraphWriter, embedding_output, model_of, pixels_input

_TINY = 1e-12


def descriptor(design: DescriptorDesign) -> ModelProto:
    """uint8 "pixels" (n, side, side, 3) -> float32 unit vectors "embedding" (n, dimension).

    A picture of one colour has colours but no edges: its edge block is near zero, and it is a unit vector
    all the same.
    """
    graph = GraphWriter()
    opponent = _opponent(graph)
    colours = graph.node("Pow", colour_block(graph, opponent, design), design.colour_power)
    edges = graph.node("Sqrt", edge_block(graph, opponent, design))
    weighted = graph.node("Mul", _unit(graph, edges, design.edge_noise), design.edge_weight)
    joined = graph.node("Concat", _unit(graph, colours, _TINY), weighted, axis=1)
    _unit(graph, joined, _TINY, name="embedding")
    output = embedding_output(dimension(design))
    return model_of(graph, "soutu-descriptor", pixels_input(design.side, design.side), output)


def dimension(design: DescriptorDesign) -> int:
    """The length of the vectors."""
    return len(reachable_bins(design)) + edge_dimension(design)


def _opponent(graph: GraphWriter) -> str:
    """Brightness and two opponent axes of the pixels in [0, 1], float32 (n, 3, side, side)."""
    values = graph.node("Mul", graph.node("Cast", "pixels", to=TensorProto.FLOAT), 1 / 255)
    planes = graph.node("Transpose", values, perm=[0, 3, 1, 2])
    return graph.node("Conv", planes, OPPONENT[:, :, None, None])


def _unit(graph: GraphWriter, rows: str, noise: float, name: str = "") -> str:
    """Rows (n, k) divided by sqrt(sum of squares + noise): unit length where they stand above the noise."""
    squares = graph.node("ReduceSum", graph.node("Mul", rows, rows), [1], keepdims=1)
    return graph.node("Div", rows, graph.node("Sqrt", graph.node("Add", squares, noise)), name=name)

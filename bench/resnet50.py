"""ResNet-50 v1.5 with seeded random weights, as a float32 ONNX backbone: for speed, no weights are needed.

The network is that of He et al., "Deep residual learning for image recognition" (2016), with the stride in
the 3 x 3 convolutions ("v1.5"), as torchvision has it. Its weights are He-initialised. Batch norms take their
statistics from calibration pictures and are folded into the convolutions, so that activations stay in range
and pictures stay apart, as in a trained network.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

from soutu.models.graph import IR_VERSION, OPSET, GraphWriter

SIDE_PX = 224
STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))
EXPANSION = 4
DIMENSION = STAGES[-1][0] * EXPANSION

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Shape:
    """Of a convolution: its channels, its square kernel and its stride."""

    inputs: int
    outputs: int
    kernel: int = 1
    stride: int = 1


class Norm(Protocol):
    """What follows a convolution."""

    def apply(self, graph: GraphWriter, name: str, weights: Array, features: str, stride: int) -> str:
        """The normalised result of convolving `features` with `weights` (outputs, inputs, k, k)."""
        ...


@dataclass(slots=True)
class Measured:
    """Batch norm over the present batch; its statistics are listed as outputs, mean and variance in turn."""

    outputs: list[str] = field(default_factory=list)

    def apply(self, graph: GraphWriter, name: str, weights: Array, features: str, stride: int) -> str:
        """Convolved, and brought to mean 0 and variance 1 in each channel."""
        raw = convolved(graph, weights, np.zeros(len(weights), np.float32), features, stride)
        mean = graph.node("ReduceMean", raw, axes=[0, 2, 3], keepdims=1, name=f"{name}.mean")
        centred = graph.node("Sub", raw, mean)
        squares = graph.node("Mul", centred, centred)
        variance = graph.node("ReduceMean", squares, axes=[0, 2, 3], keepdims=1, name=f"{name}.variance")
        self.outputs += [mean, variance]
        return graph.node("Div", centred, graph.node("Sqrt", graph.node("Add", variance, 1e-5)))


@dataclass(frozen=True, slots=True)
class Folded:
    """Batch norm within the convolution: (mean, variance) by its name, each of shape (outputs,)."""

    statistics: dict[str, tuple[Array, Array]]

    def apply(self, graph: GraphWriter, name: str, weights: Array, features: str, stride: int) -> str:
        """Convolved with weights and a bias that hold the batch norm."""
        mean, variance = self.statistics[name]
        scale = 1 / np.sqrt(variance + 1e-5)
        return convolved(graph, weights * scale[:, None, None, None], -mean * scale, features, stride)


def convolved(graph: GraphWriter, weights: Array, bias: Array, features: str, stride: int) -> str:
    kernel = weights.shape[-1]
    return graph.node(
        "Conv",
        features,
        weights,
        bias,
        kernel_shape=[kernel, kernel],
        strides=[stride, stride],
        pads=4 * [kernel // 2],
    )


class Network:
    """Writes the layers; the same seed draws the same weights, whatever the norm."""

    def __init__(self, norm: Norm, seed: int) -> None:
        self.graph = GraphWriter()
        self._norm = norm
        self._random = np.random.default_rng(seed)

    def features(self, pictures: str) -> str:
        """From float32 (n, 3, 224, 224) to (n, 2048, 7, 7)."""
        features = self._relu(self._convolution("stem", Shape(3, 64, kernel=7, stride=2), pictures))
        features = self.graph.node(
            "MaxPool", features, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]
        )
        for name, shape in blocks():
            features = self._block(name, shape, features)
        return features

    def _block(self, name: str, shape: Shape, features: str) -> str:
        """A bottleneck: 1 x 1, 3 x 3, 1 x 1, and the way around it."""
        width = shape.outputs // EXPANSION
        inner = self._relu(self._convolution(f"{name}.1", Shape(shape.inputs, width), features))
        inner = self._relu(self._convolution(f"{name}.2", Shape(width, width, 3, shape.stride), inner))
        inner = self._convolution(f"{name}.3", Shape(width, shape.outputs), inner)
        if shape.inputs != shape.outputs:
            features = self._convolution(f"{name}.around", shape, features)
        return self._relu(self.graph.node("Add", inner, features))

    def _convolution(self, name: str, shape: Shape, features: str) -> str:
        size = (shape.outputs, shape.inputs, shape.kernel, shape.kernel)
        deviation = np.sqrt(2 / (shape.inputs * shape.kernel**2))
        weights = (deviation * self._random.standard_normal(size)).astype(np.float32)
        return self._norm.apply(self.graph, name, weights, features, shape.stride)

    def _relu(self, features: str) -> str:
        return self.graph.node("Relu", features)


def blocks() -> Iterator[tuple[str, Shape]]:
    """The names and outer shapes of all bottlenecks, in order."""
    inputs = 64
    for stage, (width, count) in enumerate(STAGES):
        for number in range(count):
            stride = 2 if stage and not number else 1
            yield f"block.{stage}.{number}", Shape(inputs, width * EXPANSION, stride=stride)
            inputs = width * EXPANSION


def resnet50(pictures: Array, seed: int = 0) -> ModelProto:
    """The backbone: "pictures" float32 (n, 3, 224, 224) -> "features" (n, 2048, 7, 7).

    `pictures` of the same form give the batch norms their statistics; they are normalised already.
    """
    measured = Measured()
    network = Network(measured, seed)
    network.features("pictures")
    found = statistics(model(network.graph, measured.outputs), pictures)
    folded = Network(Folded(found), seed)
    folded.graph.node("Identity", folded.features("pictures"), name="features")
    return model(folded.graph, ["features"])


def statistics(measuring: ModelProto, pictures: Array) -> dict[str, tuple[Array, Array]]:
    """Mean and variance of each convolution's result, by its name."""
    session = onnxruntime.InferenceSession(measuring.SerializeToString(), providers=["CPUExecutionProvider"])
    values = [value.reshape(-1) for value in session.run(None, {"pictures": pictures})]
    names = [output.name.removesuffix(".mean") for output in measuring.graph.output[::2]]
    return dict(zip(names, zip(values[::2], values[1::2], strict=True), strict=True))


def model(graph: GraphWriter, outputs: list[str]) -> ModelProto:
    pictures = helper.make_tensor_value_info("pictures", TensorProto.FLOAT, ["n", 3, SIDE_PX, SIDE_PX])
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    made = helper.make_graph(graph.nodes, "resnet50", [pictures], results, graph.constants)
    opsets = [helper.make_opsetid("", OPSET)]
    return helper.make_model(made, opset_imports=opsets, ir_version=IR_VERSION, producer_name="soutu")

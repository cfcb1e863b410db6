"""Vision transformers as float32 ONNX backbones: with seeded random weights for speed, or given ones.

The network is that of Dosovitskiy et al., "An image is worth 16x16 words" (2021), with its layers as timm and
torchvision have them; DINOv2 (Oquab et al., 2023) adds a scale behind each branch. Random weights are drawn
as those papers' code does: normal of deviation 0.02, so that activations stay in range.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

from soutu.models.graph import GraphWriter, model_of

Array = NDArray[np.float32]
Weights = Callable[[str, tuple[int, ...]], Array]


@dataclass(frozen=True, slots=True)
class VitShape:
    """The width of its tokens, its blocks and heads, the sides of a patch and of the picture in pixels;
    whether each branch is scaled."""

    width: int
    depth: int
    heads: int
    patch: int
    side: int = 224
    scaled: bool = False
    epsilon: float = 1e-6

    @property
    def tokens(self) -> int:
        """The patches and the class token."""
        return (self.side // self.patch) ** 2 + 1


VIT_TINY = VitShape(width=192, depth=12, heads=3, patch=16)
VIT_B16 = VitShape(width=768, depth=12, heads=12, patch=16)
DINOV2_SMALL = VitShape(width=384, depth=12, heads=6, patch=14, scaled=True)
DINOV2_BASE = VitShape(width=768, depth=12, heads=12, patch=14, scaled=True)


def vit(shape: VitShape, weights: Weights) -> ModelProto:
    """The backbone: "pictures" float32 (n, 3, side, side) -> "features", tokens (n, 1 + patches, width), the
    class token first."""
    network = Network(shape, weights)
    network.graph.node("Identity", network.features("pictures"), name="features")
    pictures = helper.make_tensor_value_info("pictures", TensorProto.FLOAT, ["n", 3, shape.side, shape.side])
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", shape.tokens, shape.width])
    return model_of(network.graph, "vit", pictures, features)


def random_weights(seed: int = 0) -> Weights:
    """Weights by name and shape; norms are the identity, biases zero."""
    random = np.random.default_rng(seed)

    def drawn(name: str, shape: tuple[int, ...]) -> Array:
        if name.endswith(".bias"):
            return np.zeros(shape, np.float32)
        if "norm" in name or name.endswith(".gamma"):
            return np.ones(shape, np.float32)
        return (0.02 * random.standard_normal(shape)).astype(np.float32)

    return drawn


def stored_weights(path: Path) -> Weights:
    """Those of a safetensors file with timm's names; KeyError for one that is not there, ValueError for
    one of another shape."""
    tensors = _safetensors(path)

    def stored(name: str, shape: tuple[int, ...]) -> Array:
        return tensors[name].reshape(shape)

    return stored


def _safetensors(path: Path) -> Mapping[str, Array]:
    """The tensors of a file of float16 or float32 (https://huggingface.co/docs/safetensors: a length,
    JSON, the values)."""
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    described = json.loads(content[8 : 8 + size])
    types = {"F16": np.float16, "F32": np.float32}
    return {
        name: np.frombuffer(content[8 + size :][slice(*each["data_offsets"])], types[each["dtype"]])
        .reshape(each["shape"])
        .astype(np.float32)
        for name, each in described.items()
        if name != "__metadata__"
    }


class Network:
    """Writes the layers, in the form that ONNX Runtime, OpenVINO and TensorRT all know how to fuse."""

    def __init__(self, shape: VitShape, weights: Weights) -> None:
        self.graph = GraphWriter()
        self._shape = shape
        self._weights = weights

    def features(self, pictures: str) -> str:
        """The normalised tokens (n, tokens, width) of pictures (n, 3, side, side)."""
        width = self._shape.width
        tokens = self._patches(pictures)
        first = self._weights("cls_token", (1, 1, width))
        count = self.graph.node("Slice", self.graph.node("Shape", pictures), [0], [1], [0])
        shape = self.graph.node("Concat", count, [1, width], axis=0)
        tokens = self.graph.node("Concat", self.graph.node("Expand", first, shape), tokens, axis=1)
        tokens = self.graph.node("Add", tokens, self._weights("pos_embed", (1, self._shape.tokens, width)))
        for number in range(self._shape.depth):
            tokens = self._block(f"blocks.{number}", tokens)
        return self._norm("norm", tokens)

    def _patches(self, pictures: str) -> str:
        width, patch = self._shape.width, self._shape.patch
        kernel = self._weights("patch_embed.proj.weight", (width, 3, patch, patch))
        bias = self._weights("patch_embed.proj.bias", (width,))
        sides = [patch, patch]
        patches = self.graph.node("Conv", pictures, kernel, bias, kernel_shape=sides, strides=sides)
        return self.graph.node(
            "Transpose", self.graph.node("Reshape", patches, [0, width, -1]), perm=[0, 2, 1]
        )

    def _block(self, name: str, tokens: str) -> str:
        branch = self._attention(f"{name}.attn", self._norm(f"{name}.norm1", tokens))
        tokens = self.graph.node("Add", tokens, self._scaled(f"{name}.ls1", branch))
        branch = self._perceptron(f"{name}.mlp", self._norm(f"{name}.norm2", tokens))
        return self.graph.node("Add", tokens, self._scaled(f"{name}.ls2", branch))

    def _attention(self, name: str, tokens: str) -> str:
        """Heads side by side: softmax(q k' / sqrt(width of a head)) v, then joined."""
        width, heads = self._shape.width, self._shape.heads
        inner = width // heads
        joined = (
            self._weights(f"{name}.qkv.weight", (3 * width, width)),
            self._weights(f"{name}.qkv.bias", (3 * width,)),
        )
        parts = zip(*(np.split(each, 3) for each in joined), strict=True)
        query, key, value = (
            self.graph.node("Reshape", self._affine(tokens, *part), [0, -1, heads, inner]) for part in parts
        )
        query = self.graph.node("Transpose", query, perm=[0, 2, 1, 3])
        key = self.graph.node("Transpose", key, perm=[0, 2, 3, 1])
        value = self.graph.node("Transpose", value, perm=[0, 2, 1, 3])
        likeness = self.graph.node("Div", self.graph.node("MatMul", query, key), float(np.sqrt(inner)))
        seen = self.graph.node("MatMul", self.graph.node("Softmax", likeness, axis=-1), value)
        together = self.graph.node(
            "Reshape", self.graph.node("Transpose", seen, perm=[0, 2, 1, 3]), [0, -1, width]
        )
        return self._layer(f"{name}.proj", together, width, width)

    def _perceptron(self, name: str, tokens: str) -> str:
        """Two layers with an exact GELU, x / 2 (1 + erf(x / sqrt 2)), between them."""
        width = self._shape.width
        inner = self._layer(f"{name}.fc1", tokens, width, 4 * width)
        raised = self.graph.node(
            "Add", self.graph.node("Erf", self.graph.node("Div", inner, float(np.sqrt(2)))), 1.0
        )
        inner = self.graph.node("Mul", self.graph.node("Mul", inner, raised), 0.5)
        return self._layer(f"{name}.fc2", inner, 4 * width, width)

    def _layer(self, name: str, tokens: str, inputs: int, outputs: int) -> str:
        weight = self._weights(f"{name}.weight", (outputs, inputs))
        return self._affine(tokens, weight, self._weights(f"{name}.bias", (outputs,)))

    def _affine(self, tokens: str, weight: Array, bias: Array) -> str:
        return self.graph.node("Add", self.graph.node("MatMul", tokens, weight.T), bias)

    def _norm(self, name: str, tokens: str) -> str:
        size = (self._shape.width,)
        weight, bias = self._weights(f"{name}.weight", size), self._weights(f"{name}.bias", size)
        return self.graph.node(
            "LayerNormalization", tokens, weight, bias, axis=-1, epsilon=self._shape.epsilon
        )

    def _scaled(self, name: str, branch: str) -> str:
        if not self._shape.scaled:
            return branch
        return self.graph.node("Mul", branch, self._weights(f"{name}.gamma", (self._shape.width,)))

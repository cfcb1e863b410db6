"""PyTorch to an ONNX file, one tensor at a time, so that the weights never lie in memory twice over.

A ModelProto is written as its graph without weights, followed by one small ModelProto for each weight: a
protocol buffer that is read from several, one behind the other, is their union (protobuf.dev, "Encoding:
Last One Wins": embedded messages are merged, repeated fields are joined).
"""

import contextlib
import hashlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx_ir
import torch
from onnx import GraphProto, ModelProto, TensorProto
from onnx_ir import serde

from soutu.domain.cards import invalid_model

OPSET = 18
"""The version of ONNX's operators that is written: the least that PyTorch's exporter writes by itself; ONNX
Runtime 1.14, TensorRT 10 and OpenVINO 2023 read it."""

_IR_VERSION = 8
_LARGEST_BYTES = 2**31 - 1  # of a protocol buffer
# They warn of torchvision's absence, and of what they leave as it is.
_NEEDLESS_LOGS = ("torch.onnx._internal.exporter._registration", "onnxscript", "onnx_ir")
_BATCH = 2  # of the pictures that the network is traced with; 1 would be taken for a constant


def write_onnx(
    module: torch.nn.Module, examples: Mapping[str, torch.Tensor], outputs: Sequence[str], path: Path
) -> str:
    """Writes `module`, traced with examples (2, ...) of its inputs, whose first axes may have any length, all
    the same; its SHA-256.

    `examples` are by the inputs' names, in the module's order. MODEL_INVALID where the network cannot be
    written as ONNX, or is larger than 2 GiB.
    """
    program = _traced(module, examples, outputs)
    return _written(_parts(program.model), path)


def _traced(module: torch.nn.Module, examples: Mapping[str, torch.Tensor], outputs: Sequence[str]) -> Any:
    if any(len(example) != _BATCH for example in examples.values()):
        raise ValueError(f"an example has {_BATCH} rows")
    for needless in _NEEDLESS_LOGS:
        logging.getLogger(needless).setLevel(logging.ERROR)
    any_length = torch.export.Dim("n", min=1, max=4096)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
            warnings.simplefilter("ignore")  # of PyTorch about itself
            return torch.onnx.export(
                module,
                tuple(examples.values()),
                dynamo=True,
                input_names=list(examples),
                output_names=list(outputs),
                dynamic_shapes=[{0: any_length} for _ in examples],
                opset_version=OPSET,
                verbose=False,
            )
    except Exception as error:  # the exporter's errors have no other common class
        raise invalid_model("PyTorch cannot write this network as ONNX.") from error


def _parts(model: onnx_ir.Model) -> Iterator[bytes]:
    """The model's bytes: all but the weights, then each of them."""
    _rename_inner(model.graph)
    weights = [value for value in model.graph.initializers.values() if value.const_value is not None]
    model.graph.initializers.clear()
    model.ir_version = _IR_VERSION
    model.producer_name = "soutu"
    yield serde.serialize_model(model).SerializeToString(deterministic=True)
    while weights:
        value = weights.pop()
        yield _of_weight(value.name, value.const_value)
        value.const_value = None


def _rename_inner(graph: onnx_ir.Graph) -> None:
    """No value or weight in the graph has the name of its output but that output: the exporter lets them
    meet."""
    names = {output.name for output in graph.outputs}
    made = [output for node in graph for output in node.outputs]
    for value in [*made, *graph.initializers.values()]:
        if value.name in names and not any(value is output for output in graph.outputs):
            value.name = f"inner/{value.name}"


def _of_weight(name: str | None, tensor: Any) -> bytes:
    stored = TensorProto()
    serde.serialize_tensor_into(stored, tensor)
    stored.name = str(name)
    return ModelProto(graph=GraphProto(initializer=[stored])).SerializeToString(deterministic=True)


def _written(parts: Iterator[bytes], path: Path) -> str:
    digest, size_bytes = hashlib.sha256(), 0
    with path.open("wb") as file:
        for part in parts:
            file.write(part)
            digest.update(part)
            size_bytes += len(part)
    if size_bytes > _LARGEST_BYTES:
        raise invalid_model("The network is larger than the 2 GiB that one ONNX file can hold.")
    return digest.hexdigest()

"""Writes int8 artefacts, through ONNX Runtime's tools."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, shape_inference
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from soutu.domain.cards import invalid_model
from soutu.models.pictures import Pixels, batches
from soutu.models.quantise.forms import Form, float_nodes, quantised_types

_BATCH = 4


def write_int8(artefact: Path, target: Path, pixels: Pixels, form: Form) -> None:
    """Writes `target`, its nodes between pairs of QuantizeLinear and DequantizeLinear.

    Weights are symmetric int8 by output channel; the range of each activation is what `pixels`, uint8
    (n, height, width, 3), make of it. MODEL_INVALID where the artefact cannot be quantised.
    """
    with tempfile.TemporaryDirectory(dir=target.parent) as place:
        prepared = Path(place) / "prepared.onnx"
        model = float32_model(artefact)
        onnx.save(model, prepared)
        options = _options(model, form)
        try:
            quantize_static(prepared, target, _Batches(pixels), quant_format=QuantFormat.QDQ, **options)
        except Exception as error:  # the tool's errors have no other common class
            raise invalid_model("ONNX Runtime's tools cannot quantise the artefact.") from error


def float32_model(artefact: Path) -> ModelProto:
    """The artefact with the types of all its values written down; MODEL_INVALID if it is quantised."""
    model = shape_inference.infer_shapes(onnx.load(artefact))
    if any(node.op_type == "QuantizeLinear" for node in model.graph.node):
        raise invalid_model("The artefact is quantised already; start from the float32 one.")
    for place, node in enumerate(model.graph.node):
        node.name = node.name or f"node_{place}"  # the tool excludes nodes by their names
    _drop_unused(model.graph)
    mark = model.metadata_props.add()  # by it the tool knows that shapes were inferred
    mark.key, mark.value = "onnx.quant.pre_process", "onnxruntime.quant"
    return model


def _drop_unused(graph: GraphProto) -> None:
    used = {name for node in graph.node for name in node.input}
    kept = [constant for constant in graph.initializer if constant.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _options(model: ModelProto, form: Form) -> dict[str, Any]:
    symmetric = form is Form.TENSORRT
    extra = {
        "ActivationSymmetric": symmetric,
        "WeightSymmetric": True,
        # What follows them is fused with them, or needs the sums in full.
        "OpTypesToExcludeOutputQuantization": ["Conv", "MatMul"] if symmetric else ["MatMul"],
    }
    if symmetric:  # TensorRT has no int32 for biases, and reads weights behind Q/DQ
        extra |= {"QuantizeBias": False, "AddQDQPairToWeight": True, "DedicatedQDQPair": True}
    return {
        "op_types_to_quantize": list(quantised_types(model.graph, form)),
        "nodes_to_exclude": float_nodes(model.graph),
        "per_channel": True,
        "activation_type": QuantType.QInt8 if symmetric else QuantType.QUInt8,
        "weight_type": QuantType.QInt8,
        "extra_options": extra,
    }


class _Batches(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime ships no types
    """Feeds uint8 pixels to the calibration, a few pictures at a time."""

    def __init__(self, pixels: Pixels) -> None:
        self._batches: Iterator[NDArray[np.uint8]] = batches(pixels, _BATCH)

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """The next batch by the input's name, None after the last."""
        batch = next(self._batches, None)
        return None if batch is None else {"pixels": batch}

"""From a float32 artefact to an int8 one for CPUs, calibrated, in the form that ONNX Runtime fuses."""

import hashlib
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from soutu.domain.cards import CARD_FILE, card_text
from soutu.domain.model import ModelCard, ModelRef
from soutu.models.verify import check_artefact

QUANTISED = ("Conv", "Relu", "Add", "MaxPool")  # the pooling after them needs more than eight bits
_BATCH = 4


class Batches(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime ships no types
    """Feeds uint8 pixels (n, height, width, 3) to the calibration, a few at a time."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self._batches = iter([pixels[start : start + _BATCH] for start in range(0, len(pixels), _BATCH)])

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """The next batch by the input's name, None after the last."""
        batch = next(self._batches, None)
        return None if batch is None else {"pixels": batch}


Write = Callable[[Path, Path, Batches], None]


def quantise(
    folder: Path,
    card: ModelCard,
    pixels: NDArray[np.uint8],
    target: Path,
    write: Write,
) -> None:
    """Writes the model of the new folder `target`, NAME/VERSION, from the artefact of `card` in `folder`.

    Activations are asymmetric uint8, weights symmetric int8 per output channel.
    """
    with tempfile.TemporaryDirectory(dir=target.parent) as place:
        made = Path(place) / "model"
        made.mkdir()
        prepared = Path(place) / "prepared.onnx"
        quant_pre_process(folder / card.artefact, prepared, skip_symbolic_shape=True)
        write(prepared, made / card.artefact, Batches(pixels))
        digest = hashlib.sha256((made / card.artefact).read_bytes()).hexdigest()
        ref = ModelRef(target.parent.name, target.name)
        quantised = replace(card, ref=ref, sha256=digest, description="int8, for measuring speed.")
        (made / CARD_FILE).write_text(card_text(quantised), encoding="utf-8")
        check_artefact(made / card.artefact, quantised)
        made.rename(target)


def write_convolutions(prepared: Path, target: Path, batches: Batches) -> None:
    """Everything of a residual network up to its pooling."""
    quantize_static(
        prepared,
        target,
        batches,
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=list(QUANTISED),
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    check_fused(target)


def write_layers(prepared: Path, target: Path, batches: Batches) -> None:
    """The products of a transformer with weights; those of attention, norms and Softmax stay in float32.

    The products' own outputs are not quantised: ONNX Runtime then writes float32 from int8 in one step.
    """
    model = onnx.load(prepared)
    for place, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{place}"
    onnx.save(model, prepared)
    weights = {constant.name for constant in model.graph.initializer}
    products = [node for node in model.graph.node if node.op_type == "MatMul"]
    quantize_static(
        prepared,
        target,
        batches,
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["MatMul"],
        nodes_to_exclude=[node.name for node in products if weights.isdisjoint(node.input)],
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        extra_options={"OpTypesToExcludeOutputQuantization": ["MatMul"]},
    )
    floating = run_nodes(target)["MatMul"] + run_nodes(target)["FusedMatMul"]
    attention = sum(weights.isdisjoint(node.input) for node in products)
    assert floating <= attention, f"ONNX Runtime runs {floating} products in floating point, not {attention}"


def check_fused(artefact: Path) -> None:
    """AssertionError if any of the heavy work is left to floating point."""
    left = run_nodes(artefact).keys() & {"Conv", "FusedConv", "Relu", "Add", "MaxPool", "MatMul", "Gemm"}
    assert not left, f"ONNX Runtime runs {', '.join(sorted(left))} in floating point"


def run_nodes(artefact: Path) -> Counter[str]:
    """The kinds of nodes that ONNX Runtime really runs, after its optimisations, with their numbers."""
    with tempfile.TemporaryDirectory() as place:
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(Path(place) / "optimised.onnx")
        options.log_severity_level = 3
        onnxruntime.InferenceSession(artefact, options, providers=["CPUExecutionProvider"])
        optimised = onnx.load(options.optimized_model_filepath)
    return Counter(node.op_type for node in optimised.graph.node)

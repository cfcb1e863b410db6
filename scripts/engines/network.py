"""From ONNX to TensorRT's network, and whether that is what the card says."""

from pathlib import Path
from typing import Any

from soutu.domain.model import ModelCard
from soutu.domain.tensors import Kind, inputs_of, outputs_of

_NAMES = {Kind.UINT8: "UINT8", Kind.INT64: "INT64", Kind.FLOAT32: "FLOAT"}  # of types, as TensorRT says them


class UnfitError(Exception):
    """An artefact that no plan can be built of; its text says why."""


def parsed(library: Any, builder: Any, onnx: Path, logger: Any) -> tuple[Any, Any]:
    """The strongly typed network of an ONNX file, and its parser, which must outlive it; UnfitError with the
    parser's sentences."""
    network = builder.create_network(_strongly_typed(library))
    parser = library.OnnxParser(network, logger)
    if not parser.parse_from_file(str(onnx)):
        errors = [parser.get_error(place).desc() for place in range(parser.num_errors)]
        raise UnfitError(f"TensorRT's parser refuses it: {'; '.join(errors)}")
    return network, parser


def _strongly_typed(library: Any) -> int:
    """The flag of TensorRT 10; in later ones every network is so, with or without it."""
    flag = getattr(library.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def described(tensors: list[Any]) -> dict[str, str]:
    """Type and shape by name, -1 where it varies, such as {"embedding": "FLOAT (-1, 595)"}."""
    return {tensor.name: f"{tensor.dtype.name} {tuple(tensor.shape)}" for tensor in tensors}


def inputs(network: Any) -> list[Any]:
    """Its input tensors, in order."""
    return [network.get_input(place) for place in range(network.num_inputs)]


def outputs(network: Any) -> list[Any]:
    """Its output tensors, in order."""
    return [network.get_output(place) for place in range(network.num_outputs)]


def check_network(network: Any, card: ModelCard) -> None:
    """UnfitError unless the network takes and gives what every artefact does."""
    found = described(inputs(network)) | described(outputs(network))
    tensors = (*inputs_of(card), *outputs_of(card))
    wanted = {each.name: f"{_NAMES[each.kind]} {(-1, *each.shape)}" for each in tensors}
    if found != wanted:
        raise UnfitError(f"its inputs and outputs are {found}, its card says {wanted}")

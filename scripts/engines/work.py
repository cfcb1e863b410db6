"""What is to be built: an artefact, its shapes and, for a model, its card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.engines.network import UnfitError
from soutu.domain.cards import CARD_FILE, card_from_text
from soutu.domain.errors import SoutuError
from soutu.domain.model import ModelCard
from soutu.domain.tensors import inputs_of

Shape = tuple[int, ...]
Range = tuple[Shape, Shape, Shape]


@dataclass(frozen=True, slots=True)
class Work:
    """An ONNX file; `shapes` gives smallest, usual and largest shape by input."""

    name: str
    version: str
    onnx: Path
    shapes: Mapping[str, Range]
    card: ModelCard | None


def work_of(source: Path, shapes: Sequence[str]) -> Work:
    """Of a model's folder, for the batch sizes of its card, or of an ONNX file with the `shapes` of its
    inputs, each NAME=SMALLEST:USUAL:LARGEST; UnfitError for anything else."""
    if source.suffix == ".onnx":
        return Work(source.stem, "1", _there(source), dict(map(_range, shapes)), None)
    try:
        card = card_from_text(_there(source / CARD_FILE).read_text("utf-8"))
    except SoutuError as error:
        raise UnfitError(error.message) from error
    sizes = 1, card.batch.usual, card.batch.most
    ranges: dict[str, Range] = {}
    for each in inputs_of(card):
        least, usual, most = ((count, *each.shape) for count in sizes)
        ranges[each.name] = least, usual, most
    return Work(card.ref.name, card.ref.version, _there(source / card.artefact), ranges, card)


def _there(path: Path) -> Path:
    if not path.is_file():
        raise UnfitError(f"there is no {path.name}")
    return path


def _range(text: str) -> tuple[str, Range]:
    name, _, shapes = text.partition("=")
    try:
        least, usual, most = (tuple(map(int, shape.split("x"))) for shape in shapes.split(":"))
    except ValueError as error:
        raise UnfitError(f"{text} is not of the form NAME=1x3x8x8:1x3x16x16:1x3x32x32") from error
    return name, (least, usual, most)

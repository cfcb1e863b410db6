"""Exports a model of the zoo: weights in, a model's folder out, held against PyTorch in float64."""

import gc
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from soutu.domain.cards import invalid_model
from soutu.domain.model import ModelCard, ModelRef
from soutu.models.artefact import BackboneSpec, make_artefact
from soutu.models.export.embedding import ImageTower, TextTowerModule
from soutu.models.export.onnx_file import write_onnx
from soutu.models.export.parity import Parity, Reference, compared, picture_reference, text_reference
from soutu.models.export.text import TEXT_FILE, trial_tokens, write_text_tower
from soutu.models.folder import finish_folder, new_folder
from soutu.models.load.network import load_network
from soutu.models.pictures import Pixels, batches, fitted_pictures
from soutu.models.pooling import Pooling
from soutu.models.reduction import Reduction, learn_reduction
from soutu.models.zoo.entry import WeightNames, ZooEntry

_LEARNED_FROM = 10  # pictures for each number that is kept, at the most
_COMPARED = 16


@dataclass(frozen=True, slots=True)
class ExportTerms:
    """What to make of an entry's weights.

    `pooling` is the entry's unless given. `pictures` are for the comparison, and for learning the reduction
    to `reduce` numbers; 0 is the entry's own, which is none for most. `source` says where the weights are
    from.
    """

    weights: Path
    version: str = "1"
    name: str = ""
    pooling: Pooling | None = None
    reduce: int = 0
    pictures: Path | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Exported:
    """A finished export: the card, and how near the artefact is to PyTorch; None for weights in ONNX.

    `texts` is of the text tower, None where there is none.
    """

    card: ModelCard
    parity: Parity | None
    texts: Parity | None = None


@dataclass(frozen=True, slots=True)
class _Written:
    card: ModelCard
    pictures: Reference
    texts: Reference | None


def export_image_model(entry: ZooEntry, terms: ExportTerms, folder: Path) -> Exported:
    """Writes the new `folder` with the artefact and its card.

    MODEL_INVALID where the weights do not fit the entry, the features cannot be pooled so, a reduction cannot
    be learned, or the artefact differs from PyTorch in float64. The folder appears whole or not at all.
    """
    if entry.network.names is WeightNames.ONNX:
        return Exported(make_artefact(terms.weights, _backbone(entry, terms), folder), None)
    with new_folder(folder) as made:
        written = _written(entry, terms, made)  # PyTorch's weights are gone when ONNX Runtime's come
        finish_folder(made, written.card)
        texts = None if written.texts is None else compared(made / TEXT_FILE, written.texts)
        return Exported(written.card, compared(made / written.card.artefact, written.pictures), texts)


def _written(entry: ZooEntry, terms: ExportTerms, made: Path) -> _Written:
    tower = _tower(entry, terms)
    try:
        return _traced_and_run(tower, entry, terms, made)
    finally:
        _let_go(tower)


def _let_go(tower: ImageTower) -> None:
    """Empties the weights: the exporter's rules for rewriting hold on to the last network that they saw."""
    for weight in tower.parameters():
        weight.data = torch.empty(0)
    gc.collect()


def _traced_and_run(tower: ImageTower, entry: ZooEntry, terms: ExportTerms, made: Path) -> _Written:
    example = torch.zeros(2, entry.input.height, entry.input.width, 3, dtype=torch.uint8)
    sha256 = write_onnx(tower, {"pixels": example}, ["embedding"], made / "model.onnx")
    reading = entry.text
    text = None if reading is None else write_text_tower(tower.network, reading, terms.weights, made)
    pictures = picture_reference(tower, entry.input, _shown(entry, terms))
    card = _card(entry, terms, pictures.vectors.shape[1], sha256)
    if reading is None:
        return _Written(card, pictures, None)
    tokens = trial_tokens(made, reading)
    texts = text_reference(TextTowerModule(tower.network, reading), tokens)
    return _Written(replace(card, text=text), pictures, texts)


def _tower(entry: ZooEntry, terms: ExportTerms) -> ImageTower:
    network, pooling = load_network(entry, terms.weights), terms.pooling or Pooling.parse(entry.pooling)
    tower = ImageTower(network, entry, pooling).eval()
    dimension = terms.reduce or entry.reduce
    if not dimension:
        return tower
    reduction = _reduction(tower, entry, terms.pictures, dimension)
    return ImageTower(network, entry, pooling, reduction).eval()


def _reduction(tower: ImageTower, entry: ZooEntry, pictures: Path | None, dimension: int) -> Reduction:
    if pictures is None:
        raise invalid_model(f"Vectors are reduced to {dimension} numbers by what pictures show: give some.")
    pixels = fitted_pictures(pictures, entry.input, _LEARNED_FROM * dimension)
    with torch.no_grad():
        vectors = [tower(torch.from_numpy(batch)) for batch in batches(pixels)]
    return learn_reduction(torch.cat(vectors).numpy(), dimension)


def _shown(entry: ZooEntry, terms: ExportTerms) -> Pixels | None:
    return None if terms.pictures is None else fitted_pictures(terms.pictures, entry.input, _COMPARED)


def _card(entry: ZooEntry, terms: ExportTerms, dimension: int, sha256: str) -> ModelCard:
    pooling = str(terms.pooling or Pooling.parse(entry.pooling))
    reduced = f", whitened to {dimension}" if terms.reduce or entry.reduce else ""
    return ModelCard(
        ref=ModelRef(terms.name or entry.name, terms.version),
        task=entry.task,
        dimension=dimension,
        input=entry.input,
        pooling=pooling + reduced,
        licence=entry.licence,
        source=terms.source or _hub_of(entry),
        sha256=sha256,
        description=entry.description,
        languages=entry.languages,
    )


def _backbone(entry: ZooEntry, terms: ExportTerms) -> BackboneSpec:
    return BackboneSpec(
        ref=ModelRef(terms.name or entry.name, terms.version),
        input=entry.input,
        normalisation=entry.normalisation,
        pooling=terms.pooling or Pooling.parse(entry.pooling),
        licence=entry.licence,
        source=terms.source or _hub_of(entry),
        description=entry.description,
    )


def _hub_of(entry: ZooEntry) -> str:
    return f"{entry.hub.id}, from a copy" if entry.hub else f"weights of {entry.name}, from a file"

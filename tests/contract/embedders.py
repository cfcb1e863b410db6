"""A model store and tiny models for the tests of embedders."""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from soutu.adapters.models.folders import FolderModels
from soutu.domain.cards import CARD_FILE, card_text
from soutu.domain.model import BatchSizes, InputSpec, ModelCard, ModelRef, Task
from soutu.models.graph import GraphWriter, embedding_output, model_of, pixels_input
from soutu.models.verify import check_artefact

BUNDLED = Path(__file__).resolve().parents[2] / "service" / "soutu" / "models" / "bundled"
FIRST = ModelRef("gradient-color", "1")
SIDE = 4


def bundled_models(folder: Path) -> FolderModels:
    """The models that ship, and `folder` for more."""
    return FolderModels(folder, BUNDLED, check_artefact)


def random_pixels(count: int, side: int, seed: int = 0) -> NDArray[np.uint8]:
    """Noise, uint8 (count, side, side, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), np.uint8)


def mean_colour_model(scale_by_length: bool = True) -> bytes:
    """An artefact for 4 x 4 pixels: the mean colour, of unit length if asked to be; NaN for black."""
    graph = GraphWriter()
    values = graph.node("Cast", "pixels", to=TensorProto.FLOAT)
    colour = graph.node("ReduceMean", values, axes=[1, 2], keepdims=0)
    squares = graph.node("ReduceSum", graph.node("Mul", colour, colour), [1], keepdims=1)
    divisor = graph.node("Sqrt", squares) if scale_by_length else graph.constant(1.0)
    graph.node("Div", colour, divisor, name="embedding")
    return model_of(graph, "mean-colour", pixels_input(SIDE, SIDE), embedding_output(3)).SerializeToString()


def write_model(
    folder: Path, name: str, content: bytes, dimension: int = 3, batch: BatchSizes | None = None
) -> ModelCard:
    """A model's folder under `folder`, unproven."""
    card = ModelCard(
        ref=ModelRef(name, "1"),
        task=Task.EMBED_IMAGE,
        dimension=dimension,
        input=InputSpec(SIDE, SIDE),
        pooling="avg",
        licence="Apache-2.0",
        source="a test",
        sha256=hashlib.sha256(content).hexdigest(),
        batch=batch or BatchSizes(),
    )
    target = folder / name / "1"
    target.mkdir(parents=True)
    (target / card.artefact).write_bytes(content)
    (target / CARD_FILE).write_text(card_text(card), encoding="utf-8")
    return card

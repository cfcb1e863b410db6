"""The two towers that a model may have."""

from dataclasses import replace
from enum import StrEnum

from soutu.domain.model import ModelCard, ModelRef

_TEXT = "-TEXT"  # no name of a model has capitals


class Tower(StrEnum):
    """A part of a model, by the name of what it takes."""

    IMAGE = "pixels"
    TEXT = "tokens"


def text_model(card: ModelCard) -> ModelCard:
    """The card under which a Triton server has the text tower: a model of its own, NAME-TEXT."""
    return replace(card, ref=ModelRef(f"{card.ref.name}{_TEXT}", card.ref.version))


def is_text_model(ref: ModelRef) -> bool:
    """Whether a model of a Triton server is the text tower of another."""
    return ref.name.endswith(_TEXT)

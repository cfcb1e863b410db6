"""What every Embedder proves, of what it is given and of the vectors that a model answers with."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from soutu.adapters.inference.towers import Tower
from soutu.domain.cards import text_tower
from soutu.domain.embedding import Vectors, all_units
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.model import ModelCard


class BadVectorsError(SoutuError):
    """INFERENCE_UNAVAILABLE where a model answers with something else: it is broken, or its server."""


def check_input(card: ModelCard, tower: Tower, values: NDArray[Any]) -> None:
    """ValueError unless `values` are what the tower takes; TEXT_UNSUPPORTED where there is no such tower."""
    if tower is Tower.IMAGE:
        check_pixels(card, values)
    else:
        check_tokens(card, values)


def check_tokens(card: ModelCard, tokens: NDArray[Any]) -> None:
    """ValueError unless `tokens` are int64 (n, context) of the model's text tower; TEXT_UNSUPPORTED."""
    context = text_tower(card).context
    if tokens.dtype != np.int64 or tokens.ndim != 2 or tokens.shape[1] != context:
        raise ValueError(f"{card.ref} takes int64 (n, {context}), not {tokens.dtype} {tokens.shape}")


def check_pixels(card: ModelCard, pixels: NDArray[Any]) -> None:
    """ValueError unless `pixels` are uint8 (n, height, width, 3) of the model's size: a fault of ours."""
    wanted = (card.input.height, card.input.width, 3)
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1:] != wanted:
        raise ValueError(
            f"{card.ref} takes uint8 (n, {', '.join(map(str, wanted))}), not {pixels.dtype} {pixels.shape}"
        )


def check_vectors(card: ModelCard, vectors: Vectors, count: int) -> None:
    """BadVectorsError unless they are `count` unit vectors of the model's dimension: another shape, NaN or
    zero is an alarm, and is never stored."""
    if vectors.shape != (count, card.dimension) or not all_units(vectors):
        what = "does not answer with unit vectors of its dimension"
        raise BadVectorsError(Reason.INFERENCE_UNAVAILABLE, _sentence(card, what), model=card.ref)


def no_vectors(card: ModelCard) -> Vectors:
    """The answer to nothing: shape (0, dimension)."""
    return np.empty((0, card.dimension), np.float32)


def inference_unavailable(card: ModelCard, what: str) -> SoutuError:
    """The error of a model that cannot do its part, and what about it."""
    return SoutuError(Reason.INFERENCE_UNAVAILABLE, _sentence(card, what), model=card.ref)


def _sentence(card: ModelCard, what: str) -> str:
    return f"The model {card.ref} {what}; `soutu doctor` says more."

"""From a backbone's feature map or tokens to one vector, as ONNX nodes that every opset from 13 on has."""

import math
from dataclasses import dataclass

from soutu.domain.cards import invalid_model
from soutu.models.graph import GraphWriter

_SMALLEST_ACTIVATION = 1e-6
_END = 2**31 - 1

_RANKS = {"none": (2,), "cls": (3,), "avg": (3, 4), "max": (3, 4), "gem": (3, 4)}


@dataclass(frozen=True, slots=True)
class Pooling:
    """How features become one vector.

    `kind`: avg, max or gem over places (n, C, h, w) or tokens (n, T, C); cls takes the first token; none
    takes (n, C) as it is. `exponent` is GeM's p (Radenović, Tolias & Chum, "Fine-tuning CNN image retrieval
    with no human annotation", 2018). `skipped_tokens` leading tokens (class, registers) are left out.
    """

    kind: str
    exponent: float = 3.0
    skipped_tokens: int = 0

    def __post_init__(self) -> None:
        if self.kind not in _RANKS or not 0 < self.exponent < math.inf or self.skipped_tokens < 0:
            raise invalid_model(f"There is no pooling {self}; there are: {', '.join(_RANKS)} and gem:<p>.")

    @classmethod
    def parse(cls, text: str, skipped_tokens: int = 0) -> "Pooling":
        """`avg`, `max`, `cls`, `none`, `gem` (p = 3) or `gem:<p>`; MODEL_INVALID for anything else."""
        kind, _, exponent = text.partition(":")
        try:
            return cls(kind, float(exponent or 3), skipped_tokens)
        except ValueError as error:
            raise invalid_model(f"There is no pooling {text!r}: the part after ':' is a number.") from error

    def __str__(self) -> str:
        name = f"gem:{self.exponent:g}" if self.kind == "gem" else self.kind
        return f"{name}, without {self.skipped_tokens} tokens" if self.skipped_tokens else name


def check_pooling(pooling: Pooling, rank: int) -> None:
    """MODEL_INVALID unless features with `rank` axes can be pooled so."""
    if rank not in _RANKS[pooling.kind] or (pooling.skipped_tokens and rank != 3):
        raise invalid_model(f"Features with {rank} axes cannot be pooled by {pooling}.")


def pooled(graph: GraphWriter, features: str, rank: int, pooling: Pooling) -> str:
    """The vectors (n, C) of features with `rank` axes; MODEL_INVALID if they cannot be pooled so."""
    check_pooling(pooling, rank)
    if pooling.kind == "none":
        return features
    if pooling.kind == "cls":
        return graph.node("Gather", features, 0, axis=1)
    places = _tokens_as_places(graph, features, pooling.skipped_tokens) if rank == 3 else features
    return graph.node("Flatten", _over_places(graph, places, pooling), axis=1)


def _tokens_as_places(graph: GraphWriter, tokens: str, skipped: int) -> str:
    kept = graph.node("Slice", tokens, [skipped], [_END], [1]) if skipped else tokens
    return graph.node("Transpose", kept, perm=[0, 2, 1])


def _over_places(graph: GraphWriter, places: str, pooling: Pooling) -> str:
    if pooling.kind == "max":
        return graph.node("GlobalMaxPool", places)
    if pooling.kind == "avg":
        return graph.node("GlobalAveragePool", places)
    powered = graph.node("Pow", graph.node("Max", places, _SMALLEST_ACTIVATION), pooling.exponent)
    return graph.node("Pow", graph.node("GlobalAveragePool", powered), 1 / pooling.exponent)

"""What the artefact of a model takes and returns, by its card: the same for every model of a task."""

from dataclasses import dataclass
from enum import StrEnum

from soutu.domain.model import ModelCard, Task


class Kind(StrEnum):
    """The type of a tensor's values, as numpy names it."""

    UINT8 = "uint8"
    INT64 = "int64"
    FLOAT32 = "float32"


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output of an artefact; `shape` is without the first axis, which is as long as the batch."""

    name: str
    kind: Kind
    shape: tuple[int, ...]


def inputs_of(card: ModelCard) -> tuple[Tensor, ...]:
    """What the artefact takes: pictures, or the local features of two pictures each."""
    if card.task is Task.MATCH_FEATURES:
        return (*_features(card, "0"), *_features(card, "1"))
    return (Tensor("pixels", Kind.UINT8, (card.input.height, card.input.width, 3)),)


def outputs_of(card: ModelCard) -> tuple[Tensor, ...]:
    """What it returns: unit vectors, local features, or matches.

    `matches` says for each keypoint of the first set which of the second it is, -1 for none; `scores` how
    sure that is, 0 where there is none.
    """
    if card.task is Task.LOCAL_FEATURES:
        return _features(card)
    if card.task is Task.MATCH_FEATURES:
        each = (card.keypoints,)
        return (Tensor("matches", Kind.INT64, each), Tensor("scores", Kind.FLOAT32, each))
    return (Tensor("embedding", Kind.FLOAT32, (card.dimension,)),)


def _features(card: ModelCard, which: str = "") -> tuple[Tensor, ...]:
    """Keypoints (x, y) in pixels of the model's rectangle, their scores, best first, and their unit vectors.

    A keypoint whose score is 0 stands for none: it fills up.
    """
    count = card.keypoints
    return (
        Tensor(f"keypoints{which}", Kind.FLOAT32, (count, 2)),
        Tensor(f"scores{which}", Kind.FLOAT32, (count,)),
        Tensor(f"descriptors{which}", Kind.FLOAT32, (count, card.dimension)),
    )

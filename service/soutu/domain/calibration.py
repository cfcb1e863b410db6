"""Chances: what the cosine of a picture and a text says of whether the one shows what the other tells."""

import numpy as np
from numpy.typing import NDArray

from soutu.domain.model import Probability, TextTower

_FARTHEST = 500.0  # beyond it float64 holds 0 and 1 only


def sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + exp(-logit)), elementwise, without overflow."""
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -_FARTHEST, _FARTHEST))), np.float64)


def chance(tower: TextTower | None, cosine: float) -> float | None:
    """The chance, 0 to 1, that a picture and a text of this cosine belong together.

    Only models that were trained to judge one pair by itself are calibrated for it, as SigLIP is: Zhai et
    al., Sigmoid Loss for Language Image Pre-Training, 2023. Of others, such as CLIP, whose softmax judges
    between several texts, None.
    """
    if tower is None or tower.probability is not Probability.SIGMOID:
        return None
    return float(sigmoid(np.asarray(tower.scale * cosine + tower.bias)))

"""Zero-shot labels: a picture is labelled with the texts that it lies nearest to."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soutu.domain.calibration import sigmoid
from soutu.domain.embedding import Vectors
from soutu.domain.model import Probability, TextTower

LEAST_PROBABILITY = 0.1
MOST_OF_A_SET = 5
_ENGLISH, _CHINESE = "a photo of {}", "一张{}的照片"
_SMALLEST_NORM = 1e-6


@dataclass(frozen=True, slots=True)
class Label:
    """A label and the texts that describe a picture of it; a template makes one where there are none."""

    label: str
    prompts: tuple[str, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """What describes a picture of it, at least one text."""
        template = _CHINESE if any("\u3400" <= each <= "\u9fff" for each in self.label) else _ENGLISH
        return self.prompts or (template.format(self.label),)


@dataclass(frozen=True, slots=True)
class LabelSet:
    """Labels that a model chooses between."""

    name: str
    labels: tuple[Label, ...]


@dataclass(frozen=True, slots=True)
class PredictedLabel:
    """A label that a model gave an image, with its probability within the set, 0 to 1."""

    label_set: str
    label: str
    probability: float


def label_vectors(prompts: Sequence[Vectors]) -> Vectors:
    """One unit vector for each label, float32 (labels, dimension), of the vectors of its prompts: their mean,
    as in section 3.1.4 of Radford et al., Learning Transferable Visual Models From Natural Language
    Supervision, 2021. Prompts that cancel out leave a zero."""
    means = np.stack([vectors.mean(axis=0) for vectors in prompts])
    norms = np.maximum(np.linalg.norm(means, axis=1, keepdims=True), _SMALLEST_NORM)
    return np.asarray(means / norms, np.float32)


def probabilities(tower: TextTower, images: Vectors, labels: Vectors) -> NDArray[np.float64]:
    """How likely each label is of each image, float64 (images, labels), as the model was trained."""
    logits = tower.scale * (images.astype(np.float64) @ labels.astype(np.float64).T) + tower.bias
    if tower.probability is Probability.SIGMOID:
        return sigmoid(logits)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def predicted(label_set: LabelSet, row: NDArray[np.float64]) -> tuple[PredictedLabel, ...]:
    """The labels that an image gets, by their probabilities, float64 (labels,): up to five of at least 0.1,
    most probable first; equal ones in the set's order."""
    best = np.argsort(-row, kind="stable")[:MOST_OF_A_SET]
    return tuple(
        PredictedLabel(label_set.name, label_set.labels[place].label, round(float(row[place]), 6))
        for place in best
        if row[place] >= LEAST_PROBABILITY
    )

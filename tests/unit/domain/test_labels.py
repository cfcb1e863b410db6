"""How cosines become probabilities, and probabilities labels."""

import numpy as np
import pytest

from soutu.domain.labels import Label, LabelSet, label_vectors, predicted, probabilities
from soutu.domain.model import Probability, TextTower

SOFTMAX = TextTower("0", "0", 8, scale=10.0)
SIGMOID = TextTower("0", "0", 8, scale=10.0, bias=-5.0, probability=Probability.SIGMOID)
AXES = np.eye(3, dtype=np.float32)


def animals(*names: str) -> LabelSet:
    return LabelSet("animals", tuple(Label(name) for name in names))


def test_softmax_shares_one_among_the_labels() -> None:
    chances = probabilities(SOFTMAX, np.array([[1, 0, 0], [0.6, 0.8, 0]], np.float32), AXES)

    np.testing.assert_allclose(chances.sum(axis=1), 1)
    expected = np.exp([10, 0, 0]) / np.exp([10, 0, 0]).sum()
    np.testing.assert_allclose(chances[0], expected)
    assert chances[1].argmax() == 1


def test_sigmoid_judges_each_label_by_itself() -> None:
    chances = probabilities(SIGMOID, np.array([[0.6, 0.8, 0]], np.float32), AXES)

    expected = 1 / (1 + np.exp(-(10 * np.array([0.6, 0.8, 0]) - 5)))
    np.testing.assert_allclose(chances[0], expected, rtol=1e-6)


@pytest.mark.parametrize("probability", Probability)
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_no_scale_leaves_the_range(probability: Probability, scale: float) -> None:
    tower = TextTower("0", "0", 8, scale=scale, probability=probability)
    chances = probabilities(tower, AXES, -AXES)

    assert np.isfinite(chances).all()
    assert ((chances >= 0) & (chances <= 1)).all()


def test_the_most_probable_come_first_and_few_are_kept() -> None:
    names = tuple("abcdefgh")
    row = np.array([0.05, 0.3, 0.12, 0.3, 0.99, 0.2, 0.11, 0.1])

    found = predicted(animals(*names), row)

    assert [each.label for each in found] == ["e", "b", "d", "f", "c"]
    assert [each.probability for each in found] == [0.99, 0.3, 0.3, 0.2, 0.12]
    assert {each.label_set for each in found} == {"animals"}
    assert predicted(animals("a", "b"), np.array([0.09, 0.0])) == ()


def test_several_prompts_are_one_vector_of_length_one() -> None:
    vectors = label_vectors([AXES[:1], AXES[:2], np.stack([AXES[0], -AXES[0]])])

    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors[1], [2**-0.5, 2**-0.5, 0], rtol=1e-6)
    np.testing.assert_array_equal(vectors[[0, 2]], [[1, 0, 0], [0, 0, 0]])


@pytest.mark.parametrize(
    ("label", "texts"),
    [
        (Label("cat"), ("a photo of cat",)),
        (Label("猫"), ("一张猫的照片",)),
        (Label("cat", ("a kitten", "a cat")), ("a kitten", "a cat")),
        (Label("{0}"), ("a photo of {0}",)),
    ],
)
def test_a_label_without_prompts_has_a_template(label: Label, texts: tuple[str, ...]) -> None:
    assert label.texts == texts

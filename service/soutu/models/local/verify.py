"""Proves that models of local features do what their cards say, by running them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soutu.domain.cards import invalid_model
from soutu.domain.embedding import all_units
from soutu.domain.model import InputSpec, ModelCard
from soutu.domain.tensors import Tensor, inputs_of, outputs_of
from soutu.models.running import Arrays, answers, opened

_SHIFT = 32  # pixels: networks that halve the picture five times see the same again
_NEAR = 1.5  # pixels
_FOUND_AGAIN = 0.5  # of the keypoints that both pictures show; the edges are seen otherwise
_ALIKE = 1e-3  # of two runs of one input, alone and in a batch, the greatest difference of a score
_PAIRS = 3


def check_extractor(path: Path, card: ModelCard) -> None:
    """Runs an extractor on a black picture, squares, the same moved by 32 pixels, and noise; MODEL_INVALID,
    saying what is wrong, unless it answers as its card says.

    Keypoints must lie in the picture, best first; those with a score above 0 have unit vectors; half of the
    keypoints of the squares must be found again where they were moved to, and a picture has the same scores
    alone as in a batch.
    """
    session, name = opened(path), f"{path.name} of {card.ref}"
    pixels = trial_pixels(card.input)
    found = _checked_shapes(
        answers(session, {"pixels": pixels}, path.name), outputs_of(card), len(pixels), name
    )
    _check_features(found, card, name)
    _check_shift(found, card.input, name)
    _check_alone(answers(session, {"pixels": pixels[1:2]}, path.name), found, name)


def check_matcher(path: Path, card: ModelCard) -> None:
    """Runs a matcher on features drawn at random, the second set the first in another order, and the last of
    them filling up; MODEL_INVALID, saying what is wrong, unless it answers as its card says.

    It must take what a matcher is given, all of it, whether it uses it or not, as servers give it all.
    Each keypoint has at most one partner, and is one's; what fills up has none, and a score of 0 is that of
    no match. Most of what it matches must be the same feature again. A pair is matched alone as in a batch.
    """
    session, name = opened(path), f"{path.name} of {card.ref}"
    given, order = trial_features(card)
    found = _checked_shapes(_fed(session, given, card), outputs_of(card), _PAIRS, name)
    _check_matches(found, given, name)
    _check_same(found["matches"], order, name)
    alone = _fed(session, {key: values[1:2] for key, values in given.items()}, card)
    _check_alone(alone, found, name)


def _fed(session: Any, given: Arrays, card: ModelCard) -> Arrays:
    """The answers to inputs that the artefact has, all of them and no others: servers are told of all."""
    names, wanted = {each.name for each in session.get_inputs()}, {each.name for each in inputs_of(card)}
    if strange := names - wanted:
        raise invalid_model(f"{card.ref} takes {', '.join(sorted(strange))}, which no matcher is given.")
    if missing := wanted - names:
        raise invalid_model(
            f"{card.ref} does not take {', '.join(sorted(missing))}; a matcher takes it even if unused."
        )
    return answers(session, given, str(card.ref))


def _checked_shapes(found: Arrays, wanted: Sequence[Tensor], count: int, name: str) -> Arrays:
    for each in wanted:
        if each.name not in found:
            raise invalid_model(f"{name} answers {', '.join(found)}, and no {each.name}.")
        values, shape = found[each.name], (count, *each.shape)
        if values.dtype != each.kind or values.shape != shape:
            raise invalid_model(
                f"{name} answers {each.name} as {values.dtype} {values.shape}, not {each.kind} {shape}."
            )
        if not np.isfinite(values).all():
            raise invalid_model(f"{name} answers {each.name} that are not finite.")
    return found


def _check_features(found: Arrays, card: ModelCard, name: str) -> None:
    places, scores = found["keypoints"], found["scores"]
    if places.min() < 0 or (places > [card.input.width - 1, card.input.height - 1]).any():
        raise invalid_model(f"{name} answers keypoints outside of the picture.")
    if scores.min() < 0 or (np.diff(scores, axis=1) > 0).any():
        raise invalid_model(f"{name} answers scores below 0, or not the best first.")
    if not all_units(found["descriptors"][scores > 0]):
        raise invalid_model(f"{name} answers descriptors that are not of length one.")


def _check_shift(found: Arrays, spec: InputSpec, name: str) -> None:
    """The second picture shows the third one's content 32 pixels further right and down."""
    here, there = (found["keypoints"][place][found["scores"][place] > 0] for place in (1, 2))
    edge = [spec.width - _SHIFT, spec.height - _SHIFT]
    shared = there[(there < edge).all(axis=1)]
    if not len(shared) or not len(here):
        raise invalid_model(f"{name} finds no keypoints on a picture of squares.")
    distances = np.abs(shared[:, None] + _SHIFT - here[None]).max(axis=2).min(axis=1)
    if (distances <= _NEAR).mean() < _FOUND_AGAIN:
        raise invalid_model(f"{name} does not find the keypoints of a picture again where it was shifted.")


def _check_alone(alone: Arrays, found: Arrays, name: str) -> None:
    if np.abs(np.sort(alone["scores"]) - np.sort(found["scores"][1:2])).max() > _ALIKE:
        raise invalid_model(f"{name} answers differently alone and in a batch.")


def _check_matches(found: Arrays, given: Mapping[str, NDArray[Any]], name: str) -> None:
    matches, scores = found["matches"], found["scores"]
    if matches.min() < -1 or matches.max() >= matches.shape[1]:
        raise invalid_model(f"{name} answers matches that are no places of keypoints.")
    if scores.max() > 1 + _ALIKE or ((matches < 0) != (scores == 0)).any():
        raise invalid_model(f"{name} answers scores above 1, or other than 0 for no match.")
    for pair, partners in enumerate(matches):
        matched = partners[partners >= 0]
        if len(np.unique(matched)) < len(matched):
            raise invalid_model(f"{name} matches two keypoints with one.")
        filling = given["scores0"][pair][partners >= 0].min(initial=1)
        if min(filling, given["scores1"][pair][matched].min(initial=1)) == 0:
            raise invalid_model(f"{name} matches keypoints that only fill up.")


def _check_same(matches: NDArray[Any], order: NDArray[Any], name: str) -> None:
    matched = matches >= 0
    if not matched.any():
        raise invalid_model(f"{name} matches nothing of two sets that are the same.")
    if (matches == order)[matched].mean() < _FOUND_AGAIN:
        raise invalid_model(f"{name} matches features with others where the same are there.")


def trial_pixels(spec: InputSpec) -> NDArray[np.uint8]:
    """Black; squares; the same, of which the second's are 32 pixels further right and down; noise."""
    lots = np.random.default_rng(0)
    canvas = np.full((spec.height + _SHIFT, spec.width + _SHIFT, 3), 128, np.uint8)
    for _ in range(spec.height * spec.width // 800):
        top, left = lots.integers(0, canvas.shape[0]), lots.integers(0, canvas.shape[1])
        down, across = lots.integers(6, 40, 2)
        canvas[top : top + down, left : left + across] = lots.integers(0, 232, 3)
    canvas += lots.integers(0, 24, canvas.shape, np.uint8)  # as no photo is quite even
    noise = lots.integers(0, 256, (spec.height, spec.width, 3), np.uint8)
    return np.stack([np.zeros_like(noise), canvas[:-_SHIFT, :-_SHIFT], canvas[_SHIFT:, _SHIFT:], noise])


def trial_features(card: ModelCard) -> tuple[dict[str, NDArray[Any]], NDArray[np.int64]]:
    """Three pairs of sets, and where in the second each feature of the first is; the last eighth fills up."""
    lots = np.random.default_rng(0)
    count, kept = card.keypoints, card.keypoints - card.keypoints // 8
    order = np.stack([np.append(lots.permutation(kept), np.arange(kept, count)) for _ in range(_PAIRS)])
    size = np.array([card.input.width - 1, card.input.height - 1], np.float32)
    places = lots.random((_PAIRS, count, 2), np.float32) * size
    vectors = lots.standard_normal((_PAIRS, count, card.dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    scores = np.zeros((_PAIRS, count), np.float32)
    scores[:, :kept] = np.linspace(1, 0.1, kept)
    back = np.argsort(order, axis=1)
    given: dict[str, NDArray[Any]] = {"keypoints0": places, "scores0": scores, "descriptors0": vectors}
    given["keypoints1"] = np.take_along_axis(places, back[:, :, None], axis=1)
    given["descriptors1"] = np.take_along_axis(vectors, back[:, :, None], axis=1)
    given["scores1"] = np.take_along_axis(scores, back, axis=1)
    return given, order

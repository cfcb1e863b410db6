"""Proves that an artefact does what its card says, by running it."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soutu.domain.cards import invalid_model
from soutu.domain.embedding import all_units
from soutu.domain.errors import SoutuError
from soutu.domain.model import InputSpec, ModelCard, Task
from soutu.models.local.verify import check_extractor, check_matcher
from soutu.models.running import answers, opened
from soutu.texts.tokenizer import TextTokenizer

_ALIKE = 1e-4  # of two runs of one input, alone and in a batch, the greatest difference of a component
_TRIAL_TEXTS = ("a photo of a cat", "Ein Foto, 一只猫 😀", "two dogs and a cat, " * 1_000)


def check_artefact(path: Path, card: ModelCard) -> None:
    """Runs the artefact on three pictures, and its text tower beside it on three texts; MODEL_INVALID, saying
    what is wrong, unless they fit the card.

    The artefact must take "pixels" uint8 (n, height, width, 3) for any n and return "embedding" float32
    (n, dimension): finite unit vectors, also of a black picture, the same alone as in a batch. The text tower
    must do the same for "tokens" int64 (n, context), as its tokenizer makes them of texts. Extractors of
    local features and matchers are proven by `models.local.verify`.
    """
    if card.task is Task.LOCAL_FEATURES:
        return check_extractor(path, card)
    if card.task is Task.MATCH_FEATURES:
        return check_matcher(path, card)
    if card.task is not Task.EMBED_IMAGE:
        raise invalid_model(f"{card.ref} is for {card.task}; no such model is served yet.")
    return _check_towers(path, card)


def _check_towers(path: Path, card: ModelCard) -> None:
    _check(path, card, "pixels", _trial_pixels(card.input))
    if card.text:
        tokenizer = TextTokenizer(path.with_name(card.text.tokenizer), card)
        _check(path.with_name(card.text.artefact), card, "tokens", _trial_tokens(tokenizer, card))


def _check(path: Path, card: ModelCard, name: str, batch: NDArray[Any]) -> None:
    """The artefact at `path` on a batch of three, and on the second of them alone."""
    session = opened(path)
    vectors, single = (answers(session, {name: each}, path.name)["embedding"] for each in (batch, batch[1:2]))
    if vectors.shape != (3, card.dimension) or vectors.dtype != np.float32:
        raise invalid_model(
            f"{path.name} of {card.ref} answers {vectors.dtype} {vectors.shape} to three inputs, "
            f"not float32 (3, {card.dimension})."
        )
    if not all_units(vectors):
        raise invalid_model(f"{path.name} of {card.ref} answers vectors that are not of length one.")
    if np.abs(single - vectors[1:2]).max() > _ALIKE:
        raise invalid_model(f"{path.name} of {card.ref} answers differently alone and in a batch.")


def _trial_pixels(spec: InputSpec) -> NDArray[np.uint8]:
    """Black, noise and a gradient."""
    shape = (spec.height, spec.width, 3)
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    gradient = np.broadcast_to(np.linspace(0, 255, spec.width, dtype=np.uint8)[None, :, None], shape)
    return np.stack([np.zeros(shape, np.uint8), noise, gradient])


def _trial_tokens(tokenizer: TextTokenizer, card: ModelCard) -> NDArray[np.int64]:
    """A plain text, one of odd characters, and one that is cut off."""
    try:
        return tokenizer.tokens(_TRIAL_TEXTS).ids
    except SoutuError as error:
        raise invalid_model(f"The tokenizer of {card.ref} does not take {_TRIAL_TEXTS[:2]}.") from error

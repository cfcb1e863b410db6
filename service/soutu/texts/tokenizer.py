"""Texts become the tokens that a model's text tower takes."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from soutu.domain.cards import invalid_model, text_tower
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.model import ModelCard, ModelRef
from soutu.ports import ModelStore

_LARGEST_BYTES = 64 * 1024 * 1024  # those of 250,000 tokens have some 35 MB


@dataclass(frozen=True, slots=True)
class Tokens:
    """The token ids of n texts, int64 (n, context), and for each whether it was too long and cut off."""

    ids: NDArray[np.int64]
    cut: tuple[bool, ...]


class TextTokenizer:
    """A model's tokenizer. The same text always gets the same tokens; what looks like a special token in a
    text is text. May be used by several threads."""

    def __init__(self, path: Path, card: ModelCard) -> None:
        """Reads the file (blocking); MODEL_INVALID if it is none of the `tokenizers` library, too large, or
        drops tokens by chance. TEXT_UNSUPPORTED of a model without a text tower."""
        self._ref = card.ref
        self._tower = text_tower(card)
        self._tokenizer = _read(path)
        if self._tokenizer.num_special_tokens_to_add(False) >= self._tower.context:
            raise invalid_model(f"{path.name} leaves no room for a text in {self._tower.context} tokens.")
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self._tower.context)
        self._tokenizer.encode_special_tokens = True

    def tokens(self, texts: Sequence[str]) -> Tokens:
        """The tokens of the texts (blocking); FIELD_INVALID where the model knows nothing in one of them, as
        in one of invisible characters. INFERENCE_UNAVAILABLE where the tokenizer fails."""
        ids = np.full((len(texts), self._tower.context), self._tower.pad, np.int64)
        cut = []
        for row, text in zip(ids, texts, strict=True):
            try:
                encoded = self._tokenizer.encode(text)
            except Exception as error:  # its errors have no other common class
                sentence = f"The tokenizer of {self._ref} fails on the text."
                raise SoutuError(Reason.INFERENCE_UNAVAILABLE, sentence, model=self._ref) from error
            if all(encoded.special_tokens_mask):
                raise SoutuError(
                    Reason.FIELD_INVALID, f"{self._ref} finds nothing in the text that it knows."
                )
            row[: len(encoded.ids)] = encoded.ids
            cut.append(bool(encoded.overflowing))
        return Tokens(ids, tuple(cut))


class Tokenizers:
    """The tokenizers of a store's models, each read on first use and kept."""

    def __init__(self, models: ModelStore) -> None:
        self._models = models
        self._read: dict[ModelRef, TextTokenizer] = {}
        self._reading = threading.Lock()

    async def tokens(self, model: ModelRef, texts: Sequence[str]) -> Tokens:
        """As TextTokenizer.tokens, off the event loop; MODEL_NOT_FOUND, TEXT_UNSUPPORTED, MODEL_INVALID."""
        return await asyncio.to_thread(lambda: self._tokenizer(model).tokens(texts))

    def _tokenizer(self, model: ModelRef) -> TextTokenizer:
        with self._reading:
            if model not in self._read:
                path, card = self._models.tokenizer(model), self._models.card(str(model))
                self._read[model] = TextTokenizer(path, card)
            return self._read[model]


def _read(path: Path) -> Tokenizer:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise invalid_model(f"{path.name} has more than {_LARGEST_BYTES:,} bytes.")
        tokenizer = Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except SoutuError:
        raise
    except Exception as error:  # as above
        raise invalid_model(f"{path.name} is no tokenizer that the library `tokenizers` reads.") from error
    if getattr(tokenizer.model, "dropout", None):
        raise invalid_model(f"{path.name} leaves out merges by chance (`dropout`); it must not.")
    return tokenizer

"""Exports a network's text tower beside its image tower, with the tokenizer that it was trained with."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.implementations.bert_wordpiece import BertWordPieceTokenizer
from tokenizers.normalizers import Lowercase, Sequence

from soutu.domain.cards import invalid_model
from soutu.domain.model import TextTower
from soutu.models.export.embedding import TextTowerModule
from soutu.models.export.onnx_file import write_onnx
from soutu.models.zoo.entry import Texts

TEXT_FILE = "text.onnx"
TOKENIZER_FILE = "tokenizer.json"
_SENTENCES = (
    "a photo of a cat",
    "two red tomatoes on a white plate, seen from above",
    "红色的苹果",
    "街道上的一辆黄色出租车",
    "un chien noir qui court dans la neige",
    "x",
    "the quick brown fox jumps over the lazy dog " * 20,
    "42",
)


def write_text_tower(network: Any, texts: Texts, weights: Path, made: Path) -> TextTower:
    """Writes the artefact and the tokenizer into the folder `made`; what the card says of them.

    MODEL_INVALID where the weights have no tokenizer, or the network no text tower.
    """
    if not hasattr(network, "get_text_features"):
        raise invalid_model("The network has no text tower.")
    tokenizer_sha256 = _write_tokenizer(weights / texts.tokenizer, texts, made / TOKENIZER_FILE)
    example = torch.from_numpy(trial_tokens(made, texts)[:2].copy())
    sha256 = write_onnx(
        TextTowerModule(network, texts).eval(), {"tokens": example}, ["embedding"], made / TEXT_FILE
    )
    bias = getattr(network, "logit_bias", None)
    return TextTower(
        sha256=sha256,
        tokenizer_sha256=tokenizer_sha256,
        context=texts.context,
        artefact=TEXT_FILE,
        tokenizer=TOKENIZER_FILE,
        pad=texts.pad,
        scale=round(float(network.logit_scale.exp()), 4),
        bias=0.0 if bias is None else round(float(bias), 4),
        probability=texts.probability,
    )


def trial_tokens(made: Path, texts: Texts) -> NDArray[np.int64]:
    """int64 (n, context): short and long texts in several languages, by the tokenizer in `made`."""
    tokenizer = Tokenizer.from_file(str(made / TOKENIZER_FILE))
    tokenizer.enable_truncation(texts.context)
    tokenizer.enable_padding(length=texts.context, pad_id=texts.pad)
    return np.array([each.ids for each in tokenizer.encode_batch(list(_SENTENCES))], np.int64)


def _write_tokenizer(given: Path, texts: Texts, target: Path) -> str:
    try:
        tokenizer = _tokenizer(given)
    except Exception as error:  # the library's errors have no other common class
        raise invalid_model(f"{given.name}, which the text tower needs, cannot be read.") from error
    if texts.lowercase:
        before = [tokenizer.normalizer] if tokenizer.normalizer else []
        tokenizer.normalizer = Sequence([Lowercase(), *before])
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(target))
    return hashlib.sha256(target.read_bytes()).hexdigest()


def _tokenizer(given: Path) -> Tokenizer:
    if given.suffix == ".json":
        return Tokenizer.from_file(str(given))
    made: Tokenizer = BertWordPieceTokenizer(str(given), lowercase=True)._tokenizer
    return made

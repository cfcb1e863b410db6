"""Model cards as text: the file `card.toml` that lies beside each model's artefact.

name = "gradient-color"
version = "1"
task = "embed-image"
dimension = 595
pooling = "none"
licence = "Apache-2.0"
source = "scripts/make_descriptor.py"
sha256 = "(of the artefact, 64 hexadecimal digits)"
artefact = "model.onnx"       # optional, this is the default
description = ""              # optional
languages = []                # optional, of text towers
keypoints = 1024              # of models of local features only: how many each picture has
features = "xfeat"            # of matchers only: the model whose features they match

[input]
width = 128
height = 128
fit = "crop"                  # or "stretch", "pad"
crop_fraction = 1.0           # optional, this is the default
interpolation = "bilinear"    # or "bicubic"

[batch]                       # optional: how many pictures, or texts, at a time, on a server
usual = 8                     # optional, this is the default: what it is quickest with
most = 32                     # optional, this is the default

[text]                        # optional: the model embeds texts, too
artefact = "text.onnx"        # optional, this is the default
sha256 = "(of the text artefact)"
tokenizer = "tokenizer.json"  # optional, this is the default
tokenizer_sha256 = "(of the tokenizer)"
context = 77                  # tokens of a text
pad = 0                       # optional, this is the default: the token that fills up shorter texts
scale = 100.0                 # optional, this is the default
bias = 0.0                    # optional, this is the default
probability = "softmax"       # optional, this is the default; or "sigmoid"
"""

import json
import math
import re
import tomllib
from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import TypeVar

from soutu.domain.errors import Reason, SoutuError
from soutu.domain.model import (
    BatchSizes,
    Fit,
    InputSpec,
    Interpolation,
    ModelCard,
    ModelRef,
    Probability,
    Task,
    TextTower,
)

CARD_FILE = "card.toml"

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_GREATEST_DIMENSION = 32_768
_GREATEST_SIDE = 4_096
_GREATEST_CONTEXT = 4_096
_GREATEST_TOKEN = 2**31 - 1
_GREATEST_KEYPOINTS = 3_840  # the most that TensorRT's TopK gives
_FIELDS = ("name", "version", "task", "dimension", "pooling", "licence", "source", "sha256", "artefact")
_OPTIONAL_FIELDS = ("description", "languages", "keypoints", "features", "input", "text", "batch")
_INPUT_FIELDS = ("width", "height", "fit", "crop_fraction", "interpolation")
_BATCH_FIELDS = ("usual", "most")
_GREATEST_BATCH = 1_024
_TEXT_DEFAULTS: Mapping[str, object] = {
    "artefact": "text.onnx",
    "tokenizer": "tokenizer.json",
    "pad": 0,
    "scale": 100.0,
    "bias": 0.0,
    "probability": Probability.SOFTMAX.value,
}
_TEXT_FIELDS = ("sha256", "tokenizer_sha256", "context", *_TEXT_DEFAULTS)

Choice = TypeVar("Choice", bound=StrEnum)
Table = Mapping[str, object]


def card_from_text(text: str) -> ModelCard:
    """The card that a `card.toml` holds; MODEL_INVALID, naming the key, if it is not a sound one."""
    table = _parsed(text)
    _refuse_unknown(table, (*_FIELDS, *_OPTIONAL_FIELDS))
    card = _card(table)
    _refuse_shared_files(card)
    _refuse_parts_of_other_tasks(card)
    return card


def _card(table: Table) -> ModelCard:
    return ModelCard(
        ref=ModelRef(_matching(table, "name", _NAME), _matching(table, "version", _NAME)),
        task=_choice(table, "task", Task),
        dimension=_whole(table, "dimension", _GREATEST_DIMENSION),
        input=_input(table.get("input")),
        pooling=_text(table, "pooling"),
        licence=_text(table, "licence"),
        source=_text(table, "source"),
        sha256=_matching(table, "sha256", _SHA256),
        artefact=_matching({"artefact": "model.onnx", **table}, "artefact", _FILE),
        description=_text({"description": "", **table}, "description", least=0),
        languages=_texts({"languages": [], **table}, "languages"),
        text=_tower(table.get("text")),
        batch=_batch(table.get("batch", {})),
        keypoints=_whole({"keypoints": 0, **table}, "keypoints", _GREATEST_KEYPOINTS, least=0),
        features=_text({"features": "", **table}, "features", least=0),
    )


def card_text(card: ModelCard) -> str:
    """The card as `card.toml`; `card_from_text` gives it back."""
    top = {
        "name": card.ref.name,
        "version": card.ref.version,
        **{key: getattr(card, key) for key in (*_FIELDS[2:], "description", "languages")},
        **{key: getattr(card, key) for key in ("keypoints", "features") if getattr(card, key)},
    }
    fitted = {key: getattr(card.input, key) for key in _INPUT_FIELDS}
    sizes = {key: getattr(card.batch, key) for key in _BATCH_FIELDS}
    lines = [*_lines(top), "", "[input]", *_lines(fitted), "", "[batch]", *_lines(sizes), ""]
    if card.text:
        lines += ["[text]", *_lines({key: getattr(card.text, key) for key in _TEXT_FIELDS}), ""]
    return "\n".join(lines)


def is_model_name(text: str) -> bool:
    """Whether `text` may name a model or a version: [a-z0-9][a-z0-9._-]*, at most 64 characters."""
    return _NAME.fullmatch(text) is not None


def invalid_model(sentence: str) -> SoutuError:
    """The error for a model whose card or artefact is unsound."""
    return SoutuError(Reason.MODEL_INVALID, sentence)


def text_tower(card: ModelCard) -> TextTower:
    """The model's text tower; TEXT_UNSUPPORTED where it has none."""
    if card.text is None:
        sentence = f"The model {card.ref} has no text tower; `soutu models list` shows which have one."
        raise SoutuError(Reason.TEXT_UNSUPPORTED, sentence, model=card.ref)
    return card.text


def embedding_model(card: ModelCard) -> ModelCard:
    """The card, of a model that embeds pictures; MODEL_NOT_EMBEDDING for one of another task."""
    if card.task is not Task.EMBED_IMAGE:
        sentence = f"The model {card.ref} is for {card.task}; this needs one for {Task.EMBED_IMAGE}."
        raise SoutuError(Reason.MODEL_NOT_EMBEDDING, sentence, model=card.ref, task=card.task)
    return card


def _parsed(text: str) -> Table:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise invalid_model(f"The model's {CARD_FILE} is not TOML: {error}.") from error


def _input(value: object) -> InputSpec:
    if not isinstance(value, dict):
        raise invalid_model(f"The model's {CARD_FILE} needs a table [input].")
    _refuse_unknown(value, _INPUT_FIELDS)
    return InputSpec(
        width=_whole(value, "width", _GREATEST_SIDE),
        height=_whole(value, "height", _GREATEST_SIDE),
        fit=_choice(value, "fit", Fit),
        crop_fraction=_fraction({"crop_fraction": 1.0, **value}, "crop_fraction"),
        interpolation=_choice(value, "interpolation", Interpolation),
    )


def _batch(value: object) -> BatchSizes:
    if not isinstance(value, dict):
        raise invalid_model(f"The model's {CARD_FILE} needs `batch` to be a table.")
    _refuse_unknown(value, _BATCH_FIELDS)
    default = BatchSizes()
    most = _whole({"most": default.most, **value}, "most", _GREATEST_BATCH)
    return BatchSizes(_whole({"usual": min(default.usual, most), **value}, "usual", most), most)


def _tower(value: object) -> TextTower | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise invalid_model(f"The model's {CARD_FILE} needs `text` to be a table.")
    _refuse_unknown(value, _TEXT_FIELDS)
    table = {**_TEXT_DEFAULTS, **value}
    return TextTower(
        artefact=_matching(table, "artefact", _FILE),
        sha256=_matching(table, "sha256", _SHA256),
        tokenizer=_matching(table, "tokenizer", _FILE),
        tokenizer_sha256=_matching(table, "tokenizer_sha256", _SHA256),
        context=_whole(table, "context", _GREATEST_CONTEXT),
        pad=_whole(table, "pad", _GREATEST_TOKEN, least=0),
        scale=_number(table, "scale", above=0),
        bias=_number(table, "bias"),
        probability=_choice(table, "probability", Probability),
    )


def _refuse_shared_files(card: ModelCard) -> None:
    files = [CARD_FILE, card.artefact]
    if card.text:
        files += [card.text.artefact, card.text.tokenizer]
    if len(set(files)) < len(files):
        raise invalid_model(f"The model's {CARD_FILE} names one file twice.")


def _refuse_parts_of_other_tasks(card: ModelCard) -> None:
    local = card.task in (Task.LOCAL_FEATURES, Task.MATCH_FEATURES)
    if local is not (card.keypoints > 0):
        raise _wrong(
            "keypoints", f"there for {Task.LOCAL_FEATURES} and {Task.MATCH_FEATURES}, for no other task"
        )
    if (card.task is Task.MATCH_FEATURES) is not is_model_name(card.features):
        raise _wrong("features", f"a model's name for {Task.MATCH_FEATURES}, and left out for any other task")
    if local and card.text:
        raise _wrong("text", f"left out: a model for {card.task} has no text tower")


def _refuse_unknown(table: Table, known: Collection[str]) -> None:
    for key in table:
        if key not in known:
            raise invalid_model(f"The model's {CARD_FILE} has an unknown key `{key}`.")


def _wrong(key: str, wanted: str) -> SoutuError:
    return invalid_model(f"The model's {CARD_FILE} needs `{key}` to be {wanted}.")


def _text(table: Table, key: str, least: int = 1) -> str:
    value = table.get(key)
    if not isinstance(value, str) or len(value) < least:
        raise _wrong(key, "a text")
    return value


def _texts(table: Table, key: str) -> tuple[str, ...]:
    value = table.get(key)
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise _wrong(key, "a list of texts")
    return tuple(value)


def _matching(table: Table, key: str, pattern: re.Pattern[str]) -> str:
    value = _text(table, key)
    if not pattern.fullmatch(value):
        raise _wrong(key, f"of the form {pattern.pattern}")
    return value


def _choice(table: Table, key: str, kind: type[Choice]) -> Choice:
    value = _text(table, key)
    if value not in list(kind):
        raise _wrong(key, "one of " + ", ".join(kind))
    return kind(value)


def _whole(table: Table, key: str, greatest: int, least: int = 1) -> int:
    value = table.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= greatest:
        raise _wrong(key, f"a whole number from {least} to {greatest:,}")
    return value


def _number(table: Table, key: str, above: float = -math.inf) -> float:
    value = table.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool) or not above < value < math.inf:
        raise _wrong(key, "a number" if above == -math.inf else f"a number above {above:g}")
    return float(value)


def _fraction(table: Table, key: str) -> float:
    value = table.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= 1:
        raise _wrong(key, "a number above 0 and at most 1")
    return float(value)


def _lines(table: Table) -> list[str]:
    # A text, number or list of texts is written alike in JSON and TOML, but for U+007F.
    return [f"{key} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f")
            for key, value in table.items()]  # fmt: skip

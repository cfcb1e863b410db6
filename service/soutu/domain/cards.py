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

[input]
width = 128
height = 128
fit = "crop"                  # or "stretch", "pad"
crop_fraction = 1.0           # optional, this is the default
interpolation = "bilinear"    # or "bicubic"
"""

import json
import re
import tomllib
from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import TypeVar

from soutu.domain.errors import Reason, SoutuError
from soutu.domain.model import Fit, InputSpec, Interpolation, ModelCard, ModelRef, Task

CARD_FILE = "card.toml"

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_GREATEST_DIMENSION = 32_768
_GREATEST_SIDE = 4_096
_FIELDS = ("name", "version", "task", "dimension", "pooling", "licence", "source", "sha256", "artefact")
_OPTIONAL_FIELDS = ("description", "languages", "input")
_INPUT_FIELDS = ("width", "height", "fit", "crop_fraction", "interpolation")

Choice = TypeVar("Choice", bound=StrEnum)
Table = Mapping[str, object]


def card_from_text(text: str) -> ModelCard:
    """The card that a `card.toml` holds; MODEL_INVALID, naming the key, if it is not a sound one."""
    table = _parsed(text)
    _refuse_unknown(table, (*_FIELDS, *_OPTIONAL_FIELDS))
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
    )


def card_text(card: ModelCard) -> str:
    """The card as `card.toml`; `card_from_text` gives it back."""
    top = {
        "name": card.ref.name,
        "version": card.ref.version,
        **{key: getattr(card, key) for key in (*_FIELDS[2:], "description", "languages")},
    }
    fitted = {key: getattr(card.input, key) for key in _INPUT_FIELDS}
    return "\n".join([*_lines(top), "", "[input]", *_lines(fitted), ""])


def is_model_name(text: str) -> bool:
    """Whether `text` may name a model or a version: [a-z0-9][a-z0-9._-]*, at most 64 characters."""
    return _NAME.fullmatch(text) is not None


def invalid_model(sentence: str) -> SoutuError:
    """The error for a model whose card or artefact is unsound."""
    return SoutuError(Reason.MODEL_INVALID, sentence)


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


def _whole(table: Table, key: str, greatest: int) -> int:
    value = table.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= greatest:
        raise _wrong(key, f"a whole number from 1 to {greatest:,}")
    return value


def _fraction(table: Table, key: str) -> float:
    value = table.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= 1:
        raise _wrong(key, "a number above 0 and at most 1")
    return float(value)


def _lines(table: Table) -> list[str]:
    # A text, number or list of texts is written alike in JSON and TOML, but for U+007F.
    return [f"{key} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f")
            for key, value in table.items()]  # fmt: skip

"""One model of the zoo, as its TOML file says it. docs/models.md explains the keys."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from soutu.domain.cards import invalid_model, is_model_name
from soutu.domain.model import Fit, InputSpec, Interpolation, Probability, Task
from soutu.models.normalisation import Normalisation

Part = TypeVar("Part")
Table = Mapping[str, Any]


class Features(StrEnum):
    """What a network answers with, before pooling."""

    MAP = "map"  # (n, channels, height, width)
    TOKENS = "tokens"  # (n, tokens, channels), leading tokens that are no patches first
    VECTOR = "vector"  # (n, dimension): the network pools by itself
    LOCAL = "local"  # maps of keypoints and descriptors; of two pictures' features, how each fits each


class WeightNames(StrEnum):
    """By whose names a file of weights calls its tensors."""

    TRANSFORMERS = "transformers"
    TIMM = "timm"
    ONNX = "onnx"  # a network with its weights, not weights alone


@dataclass(frozen=True, slots=True)
class Hub:
    """Where weights are fetched from: files by name, each with its SHA-256, "" where nobody has recorded it.

    `revision` is a commit where one is pinned, else a branch; what a pull got is written into the card.
    """

    id: str
    revision: str
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Network:
    """How the weights are used.

    `architecture` is a class of `transformers`, "" for weights in ONNX; of local features it is one of
    `models.export.local`, whatever the weights. `config` replaces a config.json that
    the weights lack. `leading_tokens` of TOKENS are no patches (class, registers).
    """

    features: Features
    architecture: str = ""
    names: WeightNames = WeightNames.TRANSFORMERS
    leading_tokens: int = 0
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Texts:
    """How the network's text tower reads. Texts of fewer tokens than `context` are filled up with `pad`.

    `masked` towers are told which tokens are padding. `tokenizer` is the hub's file: a tokenizer.json, or a
    vocab.txt of BERT. `lowercase` texts are what it was trained on.
    """

    context: int
    pad: int = 0
    masked: bool = False
    tokenizer: str = "tokenizer.json"
    lowercase: bool = False
    probability: Probability = Probability.SOFTMAX


@dataclass(frozen=True, slots=True)
class Local:
    """Of local features: how many keypoints a picture has; of a matcher, whose features it takes."""

    keypoints: int
    features: str = ""


@dataclass(frozen=True, slots=True)
class ZooEntry:
    """One model of the zoo; `text` where it embeds texts, too, `local` where it is of local features.

    `size_mb` is what a pull fetches, in megabytes, rounded; 0 where not known.

    `licence` is an SPDX expression, or says what there is; a `restricted` one must be agreed to. `reduce` is
    the dimension that vectors are reduced to, learned from pictures; 0 for none.
    """

    name: str
    task: Task
    licence: str
    restricted: bool
    dimension: int
    pooling: str
    input: InputSpec
    normalisation: Normalisation
    network: Network
    hub: Hub | None = None
    text: Texts | None = None
    local: Local | None = None
    size_mb: int = 0
    reduce: int = 0
    languages: tuple[str, ...] = ()
    description: str = ""


def entry_from(path: Path) -> ZooEntry:
    """The entry that a TOML file holds; MODEL_INVALID, saying what is wrong, if it is not a sound one."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise invalid_model(f"{path.name} cannot be read as TOML.") from error
    try:
        return _entry(table)
    except KeyError as error:
        raise invalid_model(f"{path.name} lacks {error}.") from error
    except (TypeError, ValueError) as error:
        raise invalid_model(f"{path.name}: {error}.") from error


def _entry(table: Table) -> ZooEntry:
    if not is_model_name(str(table["name"])):
        raise ValueError(f"{table['name']!r} cannot name a model")
    given = dict(table["input"])
    seen = {key: tuple(given.pop(key)) for key in ("mean", "std")}
    network, hub, text = dict(table["network"]), table.get("hub"), table.get("text")
    local = table.get("local")
    made = {
        "task": Task(table["task"]),
        "languages": tuple(table.get("languages", ())),
        "input": _part(InputSpec, given, fit=Fit, interpolation=Interpolation),
        "normalisation": Normalisation(mean=_three(seen["mean"]), std=_three(seen["std"])),
        "network": _part(Network, network, features=Features, names=WeightNames),
        "hub": None if hub is None else _part(Hub, hub),
        "text": None if text is None else _part(Texts, text, probability=Probability),
        "local": None if local is None else _part(Local, local),
    }
    return _part(ZooEntry, {**table, **made})


def _part(kind: Callable[..., Part], table: Table, **choices: type[StrEnum]) -> Part:
    """A value of the dataclass `kind`, its `choices` turned into their enumerations."""
    known = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    if unknown := table.keys() - known:
        raise ValueError(f"there is no key {', '.join(sorted(unknown))}")
    return kind(**{key: choices[key](value) if key in choices else value for key, value in table.items()})


def _three(values: tuple[float, ...]) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue

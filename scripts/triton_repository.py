"""Writes a Triton model repository for the models of a data directory and those that ship with Soutu.

    python scripts/triton_repository.py OUT [--models DIR] [--model NAME ...] [--backend onnxruntime]
    python scripts/triton_repository.py model_repository --cards model_repository --backend tensorrt

`--backend onnxruntime` is for NVIDIA's images, on GPUs or CPUs; `python` for a Triton that has only the
Python backend; `tensorrt` writes the configuration of a plan that is built on the GPU that runs it.
`--cards` takes the cards `DIR/NAME/card.toml` of models that are not here yet: configurations only. The text
tower of a model is written as a model of its own, NAME-TEXT.
"""

import argparse
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from soutu.adapters.inference.towers import Tower, text_model
from soutu.adapters.models.folders import FolderModels
from soutu.bootstrap import BUNDLED_MODELS
from soutu.domain.cards import CARD_FILE, card_from_text
from soutu.domain.model import ModelCard
from soutu.domain.tensors import Kind, Tensor, inputs_of, outputs_of
from soutu.models.verify import check_artefact

QUEUE_DELAY_US = 1_000
# What a request waits that says no time of its own; Soutu's say the setting inference.wait_s, or less.
QUEUE_WAIT_US = 10_000_000
# Queries that wait are few and their callers impatient; builds come by the hundred and have time.
QUEUED = {"queries": 256, "builds": 1024}
BACKENDS = {"onnxruntime": "model.onnx", "python": "model.onnx", "tensorrt": "model.plan"}


@dataclass(frozen=True, slots=True)
class Deployment:
    """How models are run: by which backend, on "KIND_GPU" or "KIND_CPU", in so many instances each."""

    backend: str
    kind: str
    instances: int


_TYPES = {Kind.UINT8: "TYPE_UINT8", Kind.INT64: "TYPE_INT64", Kind.FLOAT32: "TYPE_FP32"}


def given_to(card: ModelCard, tower: Tower) -> Sequence[Tensor]:
    """What one of the model's towers takes; ValueError for a text tower that it lacks."""
    if tower is Tower.IMAGE:
        return inputs_of(card)
    if card.text is None:
        raise ValueError(f"{card.ref} has no text tower")
    return [Tensor(tower, Kind.INT64, (card.text.context,))]


def config(card: ModelCard, deployment: Deployment, tower: Tower = Tower.IMAGE) -> str:
    """config.pbtxt of a model: batches form while requests wait, until they have one of the card's sizes;
    queries (priority 1) go before builds (2), what waits too long
    or behind too many is refused, and a model is ready once it has run."""
    given = given_to(card, tower)
    noun = {"pixels": "picture", "tokens": "text"}.get(given[0].name, "pair")
    return f"""\
# Written by scripts/triton_repository.py.
name: "{_served(card, tower).ref.name}"
backend: "{deployment.backend}"
max_batch_size: {card.batch.most}
input [{_listed(given)}]
output [{_listed(outputs_of(card))}]
# Collections name the version that their vectors were made with, so every version is kept.
version_policy {{ all {{}} }}
instance_group [{{ count: {deployment.instances}, kind: {deployment.kind} }}]
dynamic_batching {{
  preferred_batch_size: [ {_preferred(card)} ]
  max_queue_delay_microseconds: {QUEUE_DELAY_US}
  priority_levels: 2
  default_priority_level: 2
  default_queue_policy {{{_queue(QUEUED["builds"])}}}
  priority_queue_policy {{
    key: 1
    value {{{_queue(QUEUED["queries"], "  ")}}}
  }}
}}
{_warmup(f"one {noun}", 1, given)}{_warmup("a full batch", card.batch.most, given)}"""


def _preferred(card: ModelCard) -> str:
    """The sizes of batches that nothing more is waited for, ascending."""
    return ", ".join(map(str, sorted({card.batch.usual, card.batch.most})))


def _listed(tensors: Sequence[Tensor]) -> str:
    return ", ".join(
        f'{{ name: "{each.name}", data_type: {_TYPES[each.kind]}, dims: [ {_lengths(each)} ] }}'
        for each in tensors
    )


def _lengths(tensor: Tensor) -> str:
    return ", ".join(map(str, tensor.shape))


def _served(card: ModelCard, tower: Tower) -> ModelCard:
    return text_model(card) if tower is Tower.TEXT else card


def towers(card: ModelCard) -> Sequence[Tower]:
    """Those that the model has."""
    return list(Tower) if card.text else [Tower.IMAGE]


def _queue(most: int, indent: str = "") -> str:
    lines = (
        "timeout_action: REJECT",
        f"default_timeout_microseconds: {QUEUE_WAIT_US}",
        "allow_timeout_override: true",
        f"max_queue_size: {most}",
    )
    return "".join(f"\n    {indent}{line}" for line in lines) + f"\n  {indent}"


def _warmup(name: str, batch: int, given: Sequence[Tensor]) -> str:
    """Any pixels will do; tokens are such as each vocabulary has, and features are finite."""
    inputs = "".join(
        f"""\
  inputs {{ key: "{each.name}", value: {{
    data_type: {_TYPES[each.kind]}, dims: [ {_lengths(each)} ], {_warm(each)}: true
  }} }}
"""
        for each in given
    )
    return f"""\
model_warmup [{{
  name: "{name}"
  batch_size: {batch}
{inputs}}}]
"""


def _warm(tensor: Tensor) -> str:
    return "random_data" if tensor.kind is Kind.UINT8 else "zero_data"


def write_config(card: ModelCard, deployment: Deployment, out: Path, tower: Tower = Tower.IMAGE) -> Path:
    """Writes the configuration of a tower; ValueError for a version that is no whole number, as Triton's
    are."""
    if not card.ref.version.isdecimal():
        raise ValueError(f"Triton's versions are whole numbers, so it cannot serve {card.ref}.")
    folder = out / _served(card, tower).ref.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.pbtxt").write_text(config(card, deployment, tower), encoding="utf-8")
    return folder


def write_model(
    models: FolderModels, card: ModelCard, deployment: Deployment, out: Path, tower: Tower = Tower.IMAGE
) -> Path:
    """Writes one version of a tower with its artefact; ValueError as write_config."""
    folder = write_config(card, deployment, out, tower)
    version = folder / card.ref.version
    version.mkdir(exist_ok=True)
    if deployment.backend != "tensorrt":
        artefact = models.artefact if tower is Tower.IMAGE else models.text_artefact
        shutil.copyfile(artefact(card.ref), version / BACKENDS[deployment.backend])
    if deployment.backend == "python":
        shutil.copyfile(Path(__file__).with_name("triton_model.py"), version / "model.py")
    return folder


def cards(directory: Path) -> Sequence[ModelCard]:
    """The cards of models that are not here yet, by name."""
    found = sorted(directory.glob(f"*/{CARD_FILE}"))
    return [card_from_text(path.read_text(encoding="utf-8")) for path in found]


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes what the arguments ask for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--models", type=Path, default=Path("models"), help="a data directory's models/")
    parser.add_argument(
        "--model", action="append", help="one of them, as name or name@version; all if left out"
    )
    parser.add_argument("--cards", type=Path, help="a directory of cards without artefacts")
    parser.add_argument("--backend", choices=sorted(BACKENDS), default="onnxruntime")
    parser.add_argument("--kind", choices=["KIND_GPU", "KIND_CPU"], default="KIND_CPU")
    parser.add_argument("--instances", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args(arguments)
    deployment = Deployment(given.backend, given.kind, given.instances)
    if given.cards:
        for card in cards(given.cards):
            for tower in towers(card):
                print(write_config(card, deployment, given.out, tower))
        return
    models = FolderModels(given.models, BUNDLED_MODELS, check_artefact)
    for card in map(models.card, given.model) if given.model else models.list():
        for tower in towers(card):
            print(write_model(models, card, deployment, given.out, tower))


if __name__ == "__main__":
    main()

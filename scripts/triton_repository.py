"""Writes a Triton model repository for the models of a data directory and those that ship with Soutu.

    python scripts/triton_repository.py OUT [--models DIR] [--model NAME ...] [--backend onnxruntime]

`--backend onnxruntime` is for NVIDIA's images, on GPUs or CPUs; `python` for a Triton that has only the
Python backend; `tensorrt` writes the configuration of a plan that scripts/build_engines.py makes.
"""

import argparse
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from soutu.adapters.models.folders import FolderModels
from soutu.bootstrap import BUNDLED_MODELS
from soutu.domain.model import ModelCard
from soutu.models.verify import check_artefact

MOST_PICTURES = 32
QUEUE_DELAY_US = 1_000
QUEUED = 256
BACKENDS = {"onnxruntime": "model.onnx", "python": "model.onnx", "tensorrt": "model.plan"}


@dataclass(frozen=True, slots=True)
class Deployment:
    """How models are run: by which backend, on "KIND_GPU" or "KIND_CPU", in so many instances each."""

    backend: str
    kind: str
    instances: int


def config(card: ModelCard, deployment: Deployment) -> str:
    """config.pbtxt of a model: batches form while requests wait, queries (priority 1) go before builds (2),
    and what waits too long or behind too many is refused."""
    height, width = card.input.height, card.input.width
    return f"""\
name: "{card.ref.name}"
backend: "{deployment.backend}"
max_batch_size: {MOST_PICTURES}
input [{{ name: "pixels", data_type: TYPE_UINT8, dims: [ {height}, {width}, 3 ] }}]
output [{{ name: "embedding", data_type: TYPE_FP32, dims: [ {card.dimension} ] }}]
version_policy {{ all {{}} }}
instance_group [{{ count: {deployment.instances}, kind: {deployment.kind} }}]
dynamic_batching {{
  max_queue_delay_microseconds: {QUEUE_DELAY_US}
  priority_levels: 2
  default_priority_level: 1
  default_queue_policy {{
    timeout_action: REJECT
    allow_timeout_override: true
    max_queue_size: {QUEUED}
  }}
}}
model_warmup [{{
  name: "one picture"
  batch_size: 1
  inputs {{ key: "pixels", value: {{
    data_type: TYPE_UINT8, dims: [ {height}, {width}, 3 ], random_data: true
  }} }}
}}]
"""


def write_model(models: FolderModels, card: ModelCard, deployment: Deployment, out: Path) -> Path:
    """Writes one version of a model; ValueError for a version that is no whole number, as Triton's are."""
    if not card.ref.version.isdecimal():
        raise ValueError(f"Triton's versions are whole numbers, so it cannot serve {card.ref}.")
    folder = out / card.ref.name
    version = folder / card.ref.version
    version.mkdir(parents=True, exist_ok=True)
    if deployment.backend != "tensorrt":
        shutil.copyfile(models.artefact(card.ref), version / BACKENDS[deployment.backend])
    if deployment.backend == "python":
        shutil.copyfile(Path(__file__).with_name("triton_model.py"), version / "model.py")
    (folder / "config.pbtxt").write_text(config(card, deployment), encoding="utf-8")
    return folder


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
    parser.add_argument("--backend", choices=sorted(BACKENDS), default="onnxruntime")
    parser.add_argument("--kind", choices=["KIND_GPU", "KIND_CPU"], default="KIND_CPU")
    parser.add_argument("--instances", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args(arguments)
    models = FolderModels(given.models, BUNDLED_MODELS, check_artefact)
    deployment = Deployment(given.backend, given.kind, given.instances)
    for card in map(models.card, given.model) if given.model else models.list():
        print(write_model(models, card, deployment, given.out))


if __name__ == "__main__":
    main()

"""A plan in its place in a model repository, with a manifest that says what it is."""

import hashlib
import json
import os
from pathlib import Path

from scripts.engines.building import Plan, Target
from scripts.engines.work import Work
from soutu.domain.cards import CARD_FILE

MANIFEST = "manifest.json"
SERVED = "model.plan"  # the name that Triton looks for


def place(work: Work, target: Target, plan: Plan, cosine: float | None, out: Path) -> Path:
    """Writes OUT/NAME/VERSION: the plan under a name that says library, version and GPU, the same file as
    model.plan, and the manifest; a model's card becomes OUT/NAME/card.toml, so that its hash there is that of
    the ONNX. Each file appears whole. Returns the named plan."""
    folder = out / work.name / work.version
    folder.mkdir(parents=True, exist_ok=True)
    named = folder / f"{target.label}.plan"
    _write(named, plan.content)
    _write(folder / MANIFEST, manifest(work, target, plan, cosine).encode())
    if work.card:
        _write(out / work.name / CARD_FILE, (work.onnx.parent / CARD_FILE).read_bytes())
    link = folder / f".{SERVED}.part"
    link.unlink(missing_ok=True)
    os.link(named, link)
    link.replace(folder / SERVED)
    return named


def manifest(work: Work, target: Target, plan: Plan, cosine: float | None) -> str:
    """What the plan was made of, by what and for what. `cosine` is the least between its vectors and ONNX
    Runtime's, null where the plan was not run."""
    said = {
        "model": f"{work.name}@{work.version}",
        "artefact_sha256": hashlib.sha256(work.onnx.read_bytes()).hexdigest(),
        "plan_sha256": hashlib.sha256(plan.content).hexdigest(),
        "library": target.library.__name__,
        "library_version": target.library.__version__,
        "gpu": target.gpu.name if target.gpu else None,
        "compute_capability": target.capability or (target.gpu.capability if target.gpu else ""),
        "shapes": {name: list(shapes) for name, shapes in work.shapes.items()},
        "tensors": dict(plan.tensors),
        "cosine": cosine,
    }
    return json.dumps(said, indent=2) + "\n"


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.replace(path)

"""Networks of the zoo with seeded random weights, as `soutu models export` and `quantize` make them: for
sizes and paces. `python -m bench.zoo [NAME...]` prints the sizes. It needs the extra `train`.

Weights do not change how large or quick a network is. Text towers, which are not measured, are left out.
"""

import argparse
import importlib.util
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.models import MODELS, quantised
from soutu.models.zoo.entry import ZooEntry
from soutu.models.zoo.shelf import zoo_entry


@dataclass(frozen=True, slots=True)
class Shape:
    """The class of `transformers` that describes a network, and how the published one differs from its
    defaults."""

    config: str
    changes: Mapping[str, Any]


_SHALLOW_TEXT = {"text_config": {"num_hidden_layers": 1, "vocab_size": 600}}
_CLIP_TEXT = {"text_config": {**_SHALLOW_TEXT["text_config"], "bos_token_id": 1, "eos_token_id": 2}}
_DINO = {"image_size": 518, "patch_size": 14}
SHAPES: Mapping[str, Shape] = {
    "resnet50": Shape("ResNetConfig", {}),
    "vit-b16": Shape("ViTConfig", {}),
    "dinov2-small": Shape("Dinov2Config", {**_DINO, "hidden_size": 384, "num_attention_heads": 6}),
    "dinov2-base": Shape("Dinov2Config", _DINO),
    "clip-b32": Shape("CLIPConfig", _CLIP_TEXT),
    "clip-b16": Shape("CLIPConfig", {**_CLIP_TEXT, "vision_config": {"patch_size": 16}}),
    "siglip2-base": Shape("SiglipConfig", _SHALLOW_TEXT),
    "chinese-clip-b16": Shape("ChineseCLIPConfig", {**_SHALLOW_TEXT, "vision_config": {"patch_size": 16}}),
    "efficientnet-b3": Shape(
        "EfficientNetConfig",
        {"width_coefficient": 1.2, "depth_coefficient": 1.4, "image_size": 300, "hidden_dim": 1536},
    ),
    "mobilenet-v2": Shape("MobileNetV2Config", {}),
}


def there() -> bool:
    """Whether networks can be made: the extra `train` is installed."""
    return all(importlib.util.find_spec(each) for each in ("torch", "transformers"))


def float_folder(name: str) -> Path:
    """The float32 form of an entry's network, a model's folder; made where it is missing."""
    folder = MODELS / f"zoo-{name}" / "1"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=MODELS) as place:
            _make(replace(zoo_entry(name), text=None), Path(place), folder)
    return folder


def _make(entry: ZooEntry, place: Path, folder: Path) -> None:
    from soutu.models.export.image import ExportTerms, export_image_model

    _save_seeded(entry, place / "weights")
    terms = ExportTerms(place / "weights", name=folder.parent.name, source="bench/zoo.py, random weights")
    export_image_model(entry, terms, place / "made")
    shutil.move(place / "made", folder)


def _save_seeded(entry: ZooEntry, folder: Path) -> None:
    import torch
    import transformers

    torch.manual_seed(5)
    shape = SHAPES[entry.name]
    config = getattr(transformers, shape.config)(**shape.changes)
    network = getattr(transformers, entry.network.architecture)(config)
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.1)  # else a deep network answers zeros to a black picture
    network.save_pretrained(folder)


def sizes(name: str) -> Iterator[int]:
    """Bytes of the artefacts, float32 and int8."""
    floating = float_folder(name)
    for folder in (floating, quantised(floating)):
        yield (folder / "model.onnx").stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.zoo", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"all if left out: {', '.join(SHAPES)}")
    for name in parser.parse_args().names or SHAPES:
        floating, int8 = sizes(name)
        print(f"{name}: float32 {floating / 1e6:.1f} MB, int8 {int8 / 1e6:.1f} MB", flush=True)


if __name__ == "__main__":
    main()

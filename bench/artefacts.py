"""Artefacts of several networks, float32 and int8, made once under build/bench/models."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import onnx

from bench import zoo
from bench.models import (
    MODELS,
    bundled_folder,
    card_of,
    float_resnet_folder,
    quantised,
    spec,
)
from bench.vit import VIT_B16, VIT_TINY, VitShape, Weights, random_weights, stored_weights, vit
from soutu.domain.model import InputSpec, ModelRef
from soutu.models.artefact import Normalisation, make_artefact

WEIGHTS = Path(__file__).parents[2] / "shared" / "weights"
_HALF = (0.5, 0.5, 0.5)


@dataclass(frozen=True, slots=True)
class Artefact:
    """A network by name, its form, "float32" or "int8", and the folder of the model."""

    network: str
    form: str
    folder: Path

    @property
    def size_bytes(self) -> int:
        """Of the ONNX file."""
        return (self.folder / card_of(self.folder).artefact).stat().st_size


def artefacts() -> Iterator[Artefact]:
    """Those that can be made here: some need weights that lie beside the checkout, the zoo's the extra
    `train`."""
    yield Artefact("gradient-color", "float32", bundled_folder())
    yield from _both("ResNet-50", float_resnet_folder())
    yield from _both(
        "ViT-B/16", _made("vit-b16", lambda folder: _make_vit(folder, VIT_B16, random_weights()))
    )
    tiny, mobile = WEIGHTS / "vit_tiny_patch16_224.safetensors", WEIGHTS / "mobilenetv2_features.onnx"
    if tiny.exists():
        weights = stored_weights(tiny)
        yield from _both(
            "ViT-Tiny/16", _made("vit-tiny", lambda folder: _make_vit(folder, VIT_TINY, weights))
        )
    if mobile.exists():
        yield from _both("MobileNetV2", _made("mobilenetv2", lambda folder: _make_mobile(mobile, folder)))
    if zoo.there():
        for name in zoo.SHAPES:
            yield from _both(f"zoo: {name}", zoo.float_folder(name))


def _both(network: str, floating: Path) -> Iterator[Artefact]:
    yield Artefact(network, "float32", floating)
    yield Artefact(network, "int8", quantised(floating))


def _made(name: str, make: Callable[[Path], None]) -> Path:
    folder = MODELS / name / "1"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        make(folder)
    return folder


def _make_vit(folder: Path, shape: VitShape, weights: Weights) -> None:
    backbone = folder.with_suffix(".onnx")
    onnx.save(vit(shape, weights), backbone)
    terms = spec(_ref(folder), InputSpec(shape.side, shape.side, crop_fraction=0.9), "cls")
    make_artefact(backbone, replace(terms, normalisation=Normalisation(mean=_HALF, std=_HALF)), folder)


def _make_mobile(backbone: Path, folder: Path) -> None:
    make_artefact(backbone, spec(_ref(folder), InputSpec(224, 224, crop_fraction=0.875), "avg"), folder)


def _ref(folder: Path) -> ModelRef:
    return ModelRef(folder.parent.name, folder.name)

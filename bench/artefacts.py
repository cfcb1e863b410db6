"""Artefacts of several networks, float32 and int8, made once under build/bench/models."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import onnx

from bench.models import (
    MODELS,
    bundled_folder,
    calibration_pixels,
    card_of,
    float_resnet,
    resnet_folder,
    spec,
)
from bench.quantised import quantise, write_layers
from bench.vit import VIT_B16, VIT_TINY, VitShape, Weights, random_weights, stored_weights, vit
from soutu.domain.model import InputSpec, ModelRef
from soutu.models.artefact import Normalisation, make_artefact

WEIGHTS = Path(__file__).parents[2] / "shared" / "weights"
_HALF = (0.5, 0.5, 0.5)
_FEW = 8  # pictures to calibrate with: the speed does not depend on them


@dataclass(frozen=True, slots=True)
class Artefact:
    """A network by name, its form, "float32" or "int8", and the folder of the model."""

    network: str
    form: str
    folder: Path


def artefacts() -> Iterator[Artefact]:
    """Those that can be made here: some need weights that lie beside the checkout."""
    yield Artefact("gradient-color", "float32", bundled_folder())
    yield Artefact("ResNet-50", "float32", _made("resnet50", _make_resnet))
    yield Artefact("ResNet-50", "int8", resnet_folder())
    yield Artefact(
        "ViT-B/16", "float32", _made("vit-b16", lambda folder: _make_vit(folder, VIT_B16, random_weights()))
    )
    yield Artefact("ViT-B/16", "int8", _made("vit-b16-int8", lambda folder: _quantise_vit("vit-b16", folder)))
    tiny, mobile = WEIGHTS / "vit_tiny_patch16_224.safetensors", WEIGHTS / "mobilenetv2_features.onnx"
    if tiny.exists():
        weights = stored_weights(tiny)
        yield Artefact(
            "ViT-Tiny/16", "float32", _made("vit-tiny", lambda folder: _make_vit(folder, VIT_TINY, weights))
        )
        yield Artefact(
            "ViT-Tiny/16", "int8", _made("vit-tiny-int8", lambda folder: _quantise_vit("vit-tiny", folder))
        )
    if mobile.exists():
        yield Artefact(
            "MobileNetV2", "float32", _made("mobilenetv2", lambda folder: _make_mobile(mobile, folder))
        )


def _made(name: str, make: Callable[[Path], None]) -> Path:
    folder = MODELS / name / "1"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        make(folder)
    return folder


def _make_resnet(folder: Path) -> None:
    float_resnet(calibration_pixels(), folder, _ref(folder))


def _make_vit(folder: Path, shape: VitShape, weights: Weights) -> None:
    backbone = folder.with_suffix(".onnx")
    onnx.save(vit(shape, weights), backbone)
    terms = spec(_ref(folder), InputSpec(shape.side, shape.side, crop_fraction=0.9), "cls")
    make_artefact(backbone, replace(terms, normalisation=Normalisation(mean=_HALF, std=_HALF)), folder)


def _make_mobile(backbone: Path, folder: Path) -> None:
    make_artefact(backbone, spec(_ref(folder), InputSpec(224, 224, crop_fraction=0.875), "avg"), folder)


def _quantise_vit(name: str, folder: Path) -> None:
    floating = MODELS / name / "1"
    quantise(floating, card_of(floating), calibration_pixels()[:_FEW], folder, write_layers)


def _ref(folder: Path) -> ModelRef:
    return ModelRef(folder.parent.name, folder.name)

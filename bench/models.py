"""The models that the benchmarks serve, made once under build/bench/models."""

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper
from PIL import Image

from bench.pictures import drawn
from bench.resnet50 import SIDE_PX, resnet50
from soutu.bootstrap import BUNDLED_MODEL, BUNDLED_MODELS
from soutu.domain.cards import CARD_FILE, card_from_text
from soutu.domain.model import InputSpec, ModelCard, ModelRef
from soutu.models.artefact import BackboneSpec, make_artefact
from soutu.models.graph import GraphWriter, model_of
from soutu.models.normalisation import IMAGENET
from soutu.models.pooling import Pooling
from soutu.models.quantise.forms import Form
from soutu.models.quantise.model import QuantiseTerms, quantise_model

MODELS = Path(__file__).parent.parent / "build" / "bench" / "models"
RESNET = ModelRef("resnet50-int8", "1")
FLOAT_RESNET = ModelRef("resnet50", "1")
PROJECTION = ModelRef("projection-512", "1")
_CALIBRATION_FROM = 3_000_000  # numbers of pictures that are neither stored nor asked for
_CALIBRATION_COUNT = 32


def resnet_folder() -> Path:
    """ResNet-50 in int8: uint8 pixels in, unit vectors of 2,048 dimensions out; made where it is missing."""
    return quantised(float_resnet_folder())


def quantised(floating: Path) -> Path:
    """The int8 form of a float32 model's folder, as `soutu models quantize` makes it; made where missing."""
    folder = MODELS / f"{floating.parent.name}{Form.CPU.suffix}" / floating.name
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=MODELS) as place:
            for number, picture in enumerate(calibration_pictures()):
                picture.save(Path(place) / f"{number:03}.png")
            quantise_model(floating, QuantiseTerms(Form.CPU, calibrate=Path(place)), folder)
    return folder


def float_resnet_folder() -> Path:
    """The same network in float32; made where it is missing."""
    folder = MODELS / FLOAT_RESNET.name / FLOAT_RESNET.version
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        _make_resnet(calibration_pixels(), folder)
    return folder


def _make_resnet(pixels: NDArray[np.uint8], folder: Path) -> None:
    normalised = (pixels * IMAGENET.scale - np.asarray(IMAGENET.mean)) / np.asarray(IMAGENET.std)
    backbone = folder.with_suffix(".onnx")
    onnx.save(resnet50(normalised.transpose(0, 3, 1, 2).astype(np.float32)), backbone)
    size = InputSpec(SIDE_PX, SIDE_PX, crop_fraction=0.875)
    make_artefact(backbone, spec(FLOAT_RESNET, size, "avg"), folder)


def projection_folder() -> Path:
    """A random projection of 16 x 16 pixels to 512 dimensions: the cheapest model of that dimension."""
    folder = MODELS / PROJECTION.name / PROJECTION.version
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        backbone = folder.with_suffix(".onnx")
        onnx.save(projection(), backbone)
        make_artefact(backbone, spec(PROJECTION, InputSpec(16, 16), "none"), folder)
    return folder


def projection() -> onnx.ModelProto:
    """The backbone: "pictures" float32 (n, 3, 16, 16) -> "features" (n, 512)."""
    graph = GraphWriter()
    weights = np.random.default_rng(0).standard_normal((3 * 16 * 16, 512))
    graph.node("MatMul", graph.node("Flatten", "pictures", axis=1), weights, name="features")
    pictures = helper.make_tensor_value_info("pictures", TensorProto.FLOAT, ["n", 3, 16, 16])
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 512])
    return model_of(graph, "projection", pictures, features)


def bundled_folder() -> Path:
    """The newest version of the model that ships with Soutu."""
    return sorted((BUNDLED_MODELS / BUNDLED_MODEL).iterdir())[-1]


def spec(ref: ModelRef, size: InputSpec, pooling: str) -> BackboneSpec:
    return BackboneSpec(
        ref=ref,
        input=size,
        normalisation=IMAGENET,
        pooling=Pooling(pooling),
        licence="Apache-2.0",
        source="bench/models.py",
        description="Seeded random weights, for measuring speed.",
    )


def calibration_pixels() -> NDArray[np.uint8]:
    """uint8 (n, 224, 224, 3): pictures that no benchmark stores or asks for."""
    return np.stack([np.asarray(fitted(picture)) for picture in calibration_pictures()])


def calibration_pictures() -> list[Image.Image]:
    """The same pictures, as they were drawn."""
    return [drawn(_CALIBRATION_FROM + number) for number in range(_CALIBRATION_COUNT)]


def fitted(picture: Image.Image) -> Image.Image:
    """The central square at the model's size."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    box = (left, top, left + side, top + side)
    return picture.resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR, box)


@cache
def card_of(folder: Path) -> ModelCard:
    """The card of a model's folder."""
    return card_from_text((folder / CARD_FILE).read_text(encoding="utf-8"))

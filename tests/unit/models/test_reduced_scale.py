"""What a model sees of a JPEG that was decoded at a reduced scale, beside what it sees of the whole.

The photos that lie beside the project have a short side of 192 pixels. Nine of them and more, side by side,
make pictures that are large enough to be reduced for models of the usual sizes.
"""

import io
import tarfile
from collections.abc import Callable
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from PIL import Image

from bench.vit import VIT_TINY, stored_weights, vit
from soutu.bootstrap import BUNDLED_MODEL, BUNDLED_MODELS
from soutu.domain.model import InputSpec, Interpolation, ModelRef
from soutu.imaging.decode import decode, eighths_needed
from soutu.imaging.fit import fit
from soutu.imaging.job import DecodeJob
from soutu.imaging.jpeg import decode_jpeg, read_jpeg_header
from soutu.imaging.limits import DecodeLimits
from soutu.imaging.stored import upright
from soutu.models.artefact import BackboneSpec, make_artefact
from soutu.models.normalisation import IMAGENET, Normalisation
from soutu.models.pooling import Pooling

SHARED = Path(__file__).resolve().parents[4] / "shared"
MOBILENET = SHARED / "weights" / "mobilenetv2_features.onnx"
VIT_WEIGHTS = SHARED / "weights" / "vit_tiny_patch16_224.safetensors"
GROCERY = SHARED / "datasets" / "grocery.tar.gz"
TILE, PHOTOS, STEP = 192, 500, 4
LIMITS = DecodeLimits()
HALF = (0.5, 0.5, 0.5)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not GROCERY.exists(), reason=f"{GROCERY} is not on this machine"),
]


@cache
def photos() -> tuple[bytes, ...]:
    """Every fourth photo of the test list, until there are enough."""
    found: list[bytes] = []
    seen = 0
    with tarfile.open(GROCERY) as archive:
        for member in archive:
            if not (member.name.removeprefix("./").startswith("test/") and member.name.endswith(".jpg")):
                continue
            seen += 1
            content = archive.extractfile(member) if seen % STEP == 0 else None
            if content is not None:
                found.append(content.read())
            if len(found) == PHOTOS:
                break
    return tuple(found)


@cache
def tile(number: int) -> Image.Image:
    """The upper left square of a photo."""
    with Image.open(io.BytesIO(photos()[number % PHOTOS])) as photo:
        return photo.convert("RGB").crop((0, 0, TILE, TILE))


def picture(number: int, side: int) -> bytes:
    """A photo as it is, or a square of photos where `side` wants more of pixels."""
    if side <= TILE:
        return photos()[number]
    whole, tiles = Image.new("RGB", (side, side)), -(-side // TILE)
    for down, across in product(range(tiles), range(tiles)):
        whole.paste(tile(number + 7 * (down * tiles + across)), (across * TILE, down * TILE))
    file = io.BytesIO()
    whole.save(file, "JPEG", quality=92)
    return file.getvalue()


def bundled(_: int, place: Path) -> tuple[Path, InputSpec]:
    folder = sorted((BUNDLED_MODELS / BUNDLED_MODEL).iterdir())[-1]
    return folder, InputSpec(128, 128)


def mobilenet(side: int, place: Path) -> tuple[Path, InputSpec]:
    size = InputSpec(side, side)
    spec = BackboneSpec(ModelRef("small", "1"), size, IMAGENET, Pooling.parse("avg"), "Apache-2.0", "a test")
    make_artefact(MOBILENET, spec, place / "made")
    return place / "made", size


def vit_tiny(side: int, place: Path) -> tuple[Path, InputSpec]:
    onnx.save(vit(VIT_TINY, stored_weights(VIT_WEIGHTS)), place / "vit.onnx")
    size = InputSpec(side, side, interpolation=Interpolation.BICUBIC)
    halves = Normalisation(mean=HALF, std=HALF)
    spec = BackboneSpec(ModelRef("vit", "1"), size, halves, Pooling.parse("cls"), "none", "a test")
    make_artefact(place / "vit.onnx", spec, place / "made")
    return place / "made", size


def at_full_scale(photo: bytes, spec: InputSpec) -> NDArray[np.uint8]:
    """uint8 (height, width, 3), of all the pixels that the file has."""
    return fit(upright(decode_jpeg(photo, read_jpeg_header(photo, LIMITS), 8)), None, spec)


@pytest.mark.parametrize(
    ("make", "side", "pixels", "eighths"),
    [
        (mobilenet, 42, TILE, 4),
        (mobilenet, 96, TILE, 8),
        (mobilenet, 96, 432, 4),
        (mobilenet, 96, 864, 2),
        (mobilenet, 96, 1728, 1),
        (bundled, 128, 576, 4),
        (bundled, 128, 1152, 2),
        (vit_tiny, 224, 1008, 4),
    ],
)
def test_a_reduced_scale_moves_vectors_little(
    tmp_path: Path,
    make: Callable[[int, Path], tuple[Path, InputSpec]],
    side: int,
    pixels: int,
    eighths: int,
) -> None:
    folder, spec = make(side, tmp_path)
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    assert eighths_needed((pixels, pixels), DecodeJob(input=spec)) == eighths
    cosines, moved = [], []
    for number in range(PHOTOS):
        photo = picture(number, pixels)
        reduced = decode(photo, DecodeJob(input=spec), LIMITS).pixels
        assert reduced is not None
        pair = np.stack([reduced, at_full_scale(photo, spec)])
        vectors = session.run(["embedding"], {"pixels": pair})[0]
        cosines.append(float(vectors[0] @ vectors[1]))
        moved.append(float(np.abs(pair[0].astype(int) - pair[1]).mean()))
    first = float(np.percentile(cosines, 1))
    print(f"cosine: 1st percentile {first:.4f}, mean {np.mean(cosines):.4f}; {np.mean(moved):.2f} of 255")
    assert (np.mean(moved) > 0) == (eighths < 8)  # they were decoded in two ways
    assert first >= 0.995

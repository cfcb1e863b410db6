"""What a model sees of a JPEG that was decoded at a reduced scale, beside what it sees of the whole.

The photos that lie beside the project have a short side of 192 pixels, so the model takes 96: they are
decoded at half their scale.
"""

import tarfile
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from soutu.domain.model import InputSpec, ModelRef
from soutu.imaging.decode import decode
from soutu.imaging.fit import fit
from soutu.imaging.job import DecodeJob
from soutu.imaging.jpeg import decode_jpeg, read_jpeg_header
from soutu.imaging.limits import DecodeLimits
from soutu.imaging.stored import upright
from soutu.models.artefact import BackboneSpec, make_artefact
from soutu.models.normalisation import IMAGENET
from soutu.models.pooling import Pooling

SHARED = Path(__file__).resolve().parents[4] / "shared"
MOBILENET = SHARED / "weights" / "mobilenetv2_features.onnx"
GROCERY = SHARED / "datasets" / "grocery.tar.gz"
SIDE, PHOTOS, STEP = 96, 500, 4
LIMITS = DecodeLimits()


def photos() -> list[bytes]:
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
    return found


def at_full_scale(photo: bytes, spec: InputSpec) -> NDArray[np.uint8]:
    """uint8 (height, width, 3), of all the pixels that the file has."""
    return fit(upright(decode_jpeg(photo, read_jpeg_header(photo, LIMITS), 8)), None, spec)


@pytest.mark.slow
@pytest.mark.skipif(not GROCERY.exists(), reason=f"{GROCERY} is not on this machine")
@pytest.mark.xfail(
    strict=True, raises=AssertionError, reason="half the scale moves vectors more: 0.94 at the 1st percentile"
)
def test_a_reduced_scale_moves_vectors_little(tmp_path: Path) -> None:
    spec = InputSpec(SIDE, SIDE)
    make_artefact(
        MOBILENET,
        BackboneSpec(ModelRef("small", "1"), spec, IMAGENET, Pooling.parse("avg"), "Apache-2.0", "a test"),
        tmp_path / "made",
    )
    session = onnxruntime.InferenceSession(
        tmp_path / "made" / "model.onnx", providers=["CPUExecutionProvider"]
    )
    cosines, moved = [], []
    for photo in photos():
        reduced = decode(photo, DecodeJob(input=spec), LIMITS).pixels
        assert reduced is not None
        pair = np.stack([reduced, at_full_scale(photo, spec)])
        vectors = session.run(["embedding"], {"pixels": pair})[0]
        cosines.append(float(vectors[0] @ vectors[1]))
        moved.append(float(np.abs(pair[0].astype(int) - pair[1]).mean()))
    first = float(np.percentile(cosines, 1))
    print(f"cosine: 1st percentile {first:.4f}, mean {np.mean(cosines):.4f}; {np.mean(moved):.2f} of 255")
    assert len(cosines) == PHOTOS
    assert np.mean(moved) > 0  # they were decoded in two ways
    assert first >= 0.995

"""The shared collection of odd and broken images, where it is present."""

import json
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageOps

from soutu.domain.errors import SoutuError
from soutu.domain.model import InputSpec
from soutu.imaging.decode import decode
from soutu.imaging.job import DecodeJob
from tests.unit.imaging.pictures import LIMITS, difference, whole

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
ARCHIVE = Path(__file__).parents[4] / "shared" / "corpus" / "odd-images.tar.gz"
ALLOWED = {"JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF"}


@pytest.fixture(scope="module")
def corpus() -> Iterator[dict[str, bytes]]:
    if not ARCHIVE.exists():
        pytest.skip(f"the collection of odd images is not at {ARCHIVE}")
    with tarfile.open(ARCHIVE) as archive:
        members = (member for member in archive if member.isfile())
        yield {Path(member.name).name: archive.extractfile(member).read() for member in members}  # type: ignore[union-attr]


def outcome(data: bytes) -> tuple[int, int] | str:
    try:
        decoded = decode(data, DecodeJob(InputSpec(224, 224), thumbnail_side=128), LIMITS)
    except SoutuError as error:
        return error.reason.name
    assert decoded.pixels is not None
    assert decoded.pixels.shape == (224, 224, 3)
    return decoded.width, decoded.height


def expected(entry: dict[str, Any], found: tuple[int, int] | str) -> bool:
    if not entry["opens_strict"] or entry["format"] not in ALLOWED:
        return found in ("IMAGE_FORMAT_UNSUPPORTED", "IMAGE_UNREADABLE", "IMAGE_TOO_LARGE")
    return sorted(found) == sorted((int(entry["width"]), int(entry["height"])))


def test_every_image_decodes_as_the_manifest_says_or_is_refused_with_a_reason(
    corpus: dict[str, bytes],
) -> None:
    entries = json.loads(corpus["manifest.json"])
    assert len(entries) > 200
    found = {entry["name"]: outcome(corpus[entry["name"]]) for entry in entries}
    wrong = [
        (entry["name"], found[entry["name"]])
        for entry in entries
        if not expected(entry, found[entry["name"]])
    ]
    assert wrong == []


@pytest.mark.parametrize("kind", ["Landscape", "Portrait"])
def test_the_eight_orientations_of_a_photograph_agree(corpus: dict[str, bytes], kind: str) -> None:
    """The files were compressed one by one: Pillow's own pictures of two of them are 1.1 apart."""
    photos = [data for name, data in sorted(corpus.items()) if f"_exif_{kind}_" in name]
    assert len(photos) >= 8
    job = DecodeJob(InputSpec(224, 224))
    first, *others = (decode(data, job, LIMITS).pixels for data in photos)
    apart = [difference(first, other) for other in others if first is not None and other is not None]
    assert sum(apart) / len(apart) < 1
    assert max(apart) < 2


def test_at_full_scale_a_photograph_is_what_pillow_makes_of_it(corpus: dict[str, bytes]) -> None:
    for name in ("0004_exif_Portrait_6.jpg", "0007_exif_Landscape_7.jpg"):
        upright = ImageOps.exif_transpose(Image.open(BytesIO(corpus[name])))
        assert difference(whole(corpus[name]), upright) < 0.05


def test_a_stale_orientation_in_xmp_is_not_applied(corpus: dict[str, bytes]) -> None:
    data = next(data for name, data in corpus.items() if name.endswith("xmp_tags_orientation.avif"))
    assert whole(data).shape == (268, 326, 3)

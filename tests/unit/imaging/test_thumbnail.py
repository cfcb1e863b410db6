from io import BytesIO

import pytest
from PIL import Image

from soutu.imaging.decode import decode
from soutu.imaging.job import DecodeJob
from tests.unit.imaging.pictures import LIMITS, difference, encoded, oriented, scene


def thumbnail_of(data: bytes, side: int) -> Image.Image:
    thumbnail = decode(data, DecodeJob(thumbnail_side=side), LIMITS).thumbnail
    assert thumbnail is not None
    return Image.open(BytesIO(thumbnail))


@pytest.mark.parametrize(
    ("size", "expected"), [((800, 600), (200, 150)), ((600, 801), (150, 200)), ((100, 80), (100, 80))]
)
def test_the_longer_side_is_at_most_the_side_and_nothing_is_enlarged(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert thumbnail_of(encoded(scene(*size), "JPEG"), 200).size == expected


def test_a_thumbnail_is_upright_and_has_the_pictures_colours() -> None:
    shown = thumbnail_of(oriented("JPEG", 6, scene(400, 300), quality=95), 100)
    assert difference(shown.convert("RGB"), scene(400, 300).resize((100, 75))) < 3


def test_no_metadata_is_in_a_thumbnail() -> None:
    exif = Image.Exif()
    exif[0x0110] = "SecretCamera"
    exif[0x8825] = {1: "N", 2: (48.0, 51.0, 29.0)}
    data = encoded(scene(), "JPEG", exif=exif.tobytes(), comment=b"SecretPlace")
    shown = thumbnail_of(data, 64)
    assert len(shown.getexif()) == 0
    assert "Secret" not in str(shown.info)
    assert set(shown.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_a_sliver_keeps_a_pixel() -> None:
    assert thumbnail_of(encoded(scene(2000, 1), "PNG"), 100).size == (100, 1)

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from soutu.domain.image import Exif
from soutu.imaging.exif import load_tags, orientation_of, read_exif
from tests.unit.imaging.pictures import encoded, looked_at, scene

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
MAKE, MODEL, ORIENTATION, CHANGED, EXIF_IFD = 0x010F, 0x0110, 0x0112, 0x0132, 0x8769
TAKEN, TAKEN_OFFSET, TAKEN_FRACTION, LENS = 0x9003, 0x9011, 0x9291, 0xA434


def block(details: dict[int, Any] | None = None, **_: Any) -> bytes:
    exif = Image.Exif()
    exif[MAKE], exif[MODEL] = "Canon", "Canon EOS R5"
    if details:
        exif[EXIF_IFD] = details
    return exif.tobytes()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_camera_lens_and_moment_are_read_from_every_format(kind: str) -> None:
    details = {
        TAKEN: "2024:05:06 07:08:09",
        TAKEN_OFFSET: "+08:00",
        TAKEN_FRACTION: "25",
        LENS: "RF50mm F1.2",
    }
    exif = looked_at(encoded(scene(), kind, exif=block(details))).exif
    assert exif.camera == "Canon EOS R5"
    assert exif.lens == "RF50mm F1.2"
    assert exif.captured_at == datetime(2024, 5, 5, 23, 8, 9, 250_000, UTC)


def test_without_an_offset_the_moment_is_taken_as_utc() -> None:
    tags = load_tags(block({TAKEN: "2024:05:06 07:08:09"})[6:])
    assert read_exif(tags).captured_at == datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["0000:00:00 00:00:00", "    :  :     :  :  ", "yesterday", "2024:13:45 99:00:00", ""]
)
def test_a_moment_that_is_none_is_none(text: str) -> None:
    assert read_exif(load_tags(block({TAKEN: text})[6:])).captured_at is None


def test_text_is_printable_and_short() -> None:
    exif = Image.Exif()
    exif[MODEL] = "Q\x07\x1b[31m" + "x" * 5000
    camera = read_exif(load_tags(exif.tobytes()[6:])).camera
    assert camera.startswith("Q[31mx")
    assert len(camera) == 200


def test_an_orientation_that_does_not_exist_is_upright() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 77
    assert orientation_of(load_tags(exif.tobytes()[6:])) == 1


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 200))
def test_nothing_in_the_block_raises(noise: bytes, at: int) -> None:
    good = block({TAKEN: "2024:05:06 07:08:09", LENS: "RF50mm"})[6:]
    for raw in (noise, b"II*\0" + noise, good[:at] + noise + good[at + len(noise) :]):
        tags = load_tags(raw)
        assert 1 <= orientation_of(tags) <= 8
        assert isinstance(read_exif(tags), Exif)


def test_a_picture_with_broken_metadata_is_still_a_picture() -> None:
    data = encoded(scene(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert looked_at(data).exif == Exif()

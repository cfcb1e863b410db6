"""TIFFs of large numbers: the picture that they hold, whatever the numbers' size and kind."""

import struct
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray

from soutu.domain.errors import SoutuError
from tests.unit.imaging.pictures import difference, encoded, looked_at, scene, whole
from tests.unit.imaging.raws import LONG, SHORT, Page, Tag, tiff

GREY = scene().convert("L")
LEVELS = np.asarray(GREY).astype(np.float64) / 255
COLOURS = np.asarray(scene()).astype(np.float64) / 255


def drawn(
    values: NDArray[np.generic], photometric: int = 1, order: str = "<", *more: Tag, compression: int = 1
) -> bytes:
    """An uncompressed or deflated TIFF in strips of ten rows, of these values."""
    height, width = values.shape[:2]
    samples = 1 if values.ndim == 2 else values.shape[2]
    kind = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    body = values.astype(f"{order}{values.dtype.str[1:]}").tobytes()
    strip = zlib.compress(body) if compression == 8 else body
    tags = [
        Tag(256, LONG, [width]),
        Tag(257, LONG, [height]),
        Tag(258, SHORT, [values.dtype.itemsize * 8] * samples),
        Tag(259, SHORT, [compression]),
        Tag(262, SHORT, [photometric]),
        Tag(277, SHORT, [samples]),
        Tag(278, LONG, [height]),
        Tag(279, LONG, [len(strip)]),
        Tag(339, SHORT, [kind] * samples),
        *more,
    ]
    return tiff([Page(tags, strip)], order)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["u2", "u4", "i4", "f2", "f4", "f8"])
def test_levels_are_scaled_and_never_clipped(order: str, kind: str) -> None:
    dtype = np.dtype(kind)
    most = 1.0 if dtype.kind == "f" else 65_535.0
    for photometric, levels in ((1, LEVELS), (0, 1 - LEVELS)):
        values = (levels * most).round(9 if dtype.kind == "f" else 0).astype(dtype)
        assert difference(whole(drawn(values, photometric, order)), GREY.convert("RGB")) < 0.5


@pytest.mark.parametrize("compression", [1, 8])
def test_numbers_beyond_16_bits_run_to_their_maximum(compression: int) -> None:
    levels = LEVELS / LEVELS.max()
    values = (levels * (2**32 - 1)).astype(np.uint32)
    shown = whole(drawn(values, compression=compression)).astype(float)[:, :, 0]
    assert abs(shown - levels * 255).max() <= 1


def test_colours_of_32_bits_are_read_with_their_opacity() -> None:
    values = (COLOURS * (2**32 - 1)).astype(np.uint32)
    values[0, 0] = 2**32 - 1
    assert difference(whole(drawn(values, 2)), scene()) < 0.5
    full = np.dstack([values, np.full(values.shape[:2], 2**32 - 1, np.uint32)])
    assert np.array_equal(whole(drawn(full, 2, "<", Tag(338, SHORT, [2]))), whole(drawn(values, 2)))


def test_signed_numbers_of_16_bits_run_over_their_whole_range() -> None:
    values = (LEVELS * 65_535 - 32_768).astype(np.int16)
    assert difference(whole(drawn(values)), GREY.convert("RGB")) < 1


def test_numbers_that_are_none_do_no_harm() -> None:
    values = LEVELS.astype(np.float64)
    values[0, :4] = [np.nan, np.inf, -np.inf, 1e-300]
    shown = whole(drawn(values)).astype(float)
    assert difference(shown[1:].astype(np.uint8), np.asarray(GREY.convert("RGB"))[1:]) < 0.5
    assert whole(drawn(np.full((4, 4), np.nan))).max() == 0


@pytest.mark.parametrize(
    "changed",
    [Tag(284, SHORT, [2]), Tag(317, SHORT, [3]), Tag(322, LONG, [16])],
)
def test_other_arrangements_are_said_to_be_unread(changed: Tag) -> None:
    values = (LEVELS * 65_535).astype(np.uint32)
    assert reason_of(drawn(values, 1, "<", changed)) == "IMAGE_FORMAT_UNSUPPORTED"
    assert reason_of(drawn(COLOURS.astype(np.float32), 2)) == "IMAGE_FORMAT_UNSUPPORTED"


def test_what_is_cut_short_is_unreadable() -> None:
    values = (LEVELS * 65_535).astype(np.uint32)
    whole_file = drawn(values)
    taller = struct.pack("<HHII", 257, LONG, 1, 6_400)
    lying = whole_file.replace(struct.pack("<HHII", 257, LONG, 1, 64), taller)
    assert reason_of(lying) == "IMAGE_UNREADABLE"
    broken = drawn(values, compression=8)
    assert reason_of(broken[:60] + b"\xff" * 40 + broken[100:]) == "IMAGE_UNREADABLE"


def test_orientation_is_applied_once() -> None:
    values = (LEVELS * 65_535).astype(np.uint32)
    turned = drawn(np.rot90(values).copy(), 1, "<", Tag(274, SHORT, [6]))
    assert difference(whole(turned), GREY.convert("RGB")) < 0.5


def test_tiffs_that_pillow_reads_are_left_to_it() -> None:
    assert difference(whole(encoded(scene(), "TIFF")), scene()) == 0


def reason_of(data: bytes) -> str:
    try:
        looked_at(data)
    except SoutuError as error:
        return error.reason.name
    return ""

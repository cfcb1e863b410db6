"""Raw files: which picture is taken of them, and what is said where none can be."""

import sys

import pytest

from soutu.domain.errors import Reason, SoutuError
from soutu.domain.model import InputSpec
from soutu.imaging.decode import decode
from soutu.imaging.formats import ImageFormat, sniff
from soutu.imaging.job import DecodeJob
from soutu.imaging.limits import DecodeLimits
from tests.unit.imaging.pictures import LIMITS, difference, encoded, held, looked_at, oriented, scene, whole
from tests.unit.imaging.raws import KINDS, dng, shell

PREVIEW = encoded(scene(640, 480), "JPEG", quality=95)
THUMBNAIL = encoded(scene(160, 120).convert("L"), "JPEG")


def reason_of(data: bytes, limits: DecodeLimits = LIMITS) -> tuple[Reason, str]:
    with pytest.raises(SoutuError) as refused:
        decode(data, DecodeJob(InputSpec(64, 64)), limits)
    return refused.value.reason, refused.value.metadata.get("limit", "")


@pytest.fixture
def without_rawpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rawpy", None)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("cfa_first", [True, False])
def test_the_preview_of_a_dng_is_taken_where_it_is_large_enough(
    order: str, cfa_first: bool, without_rawpy: None
) -> None:
    raw = dng(scene(96, 64), PREVIEW, order=order, cfa_first=cfa_first)
    assert sniff(raw) is ImageFormat.DNG
    assert (looked_at(raw).width, looked_at(raw).height) == (640, 480)
    assert difference(whole(raw), scene(640, 480)) < 1.5


def test_a_dng_without_preview_is_developed() -> None:
    for order in ("<", ">"):
        raw = dng(scene(96, 64), order=order)
        assert looked_at(raw).media_type == "image/x-adobe-dng"
        assert difference(whole(raw), scene(96, 64)) < 3


def test_a_mere_thumbnail_does_not_stand_for_the_picture() -> None:
    raw = dng(scene(800, 600), THUMBNAIL, cfa_first=False)
    assert (looked_at(raw).width, looked_at(raw).height) == (800, 600)
    assert difference(whole(raw), scene(800, 600)) < 3


def test_a_large_raw_file_is_developed_at_half_its_size_and_counts_as_whole() -> None:
    decoded = decode(dng(scene(2200, 2100)), DecodeJob(InputSpec(110, 105)), LIMITS)
    assert (decoded.width, decoded.height) == (2200, 2100)
    assert decoded.pixels is not None
    assert difference(decoded.pixels, scene(110, 105)) < 5


@pytest.mark.parametrize("preview", [b"", THUMBNAIL])
def test_without_the_extra_a_raw_file_that_must_be_developed_says_so(
    preview: bytes, without_rawpy: None
) -> None:
    assert reason_of(dng(scene(800, 600), preview)) == (Reason.IMAGE_RAW_UNAVAILABLE, "")


@pytest.mark.parametrize("kind", KINDS)
def test_the_other_kinds_are_told_apart_and_their_previews_taken(kind: str, without_rawpy: None) -> None:
    decoded = looked_at(shell(kind, PREVIEW))
    assert (decoded.width, decoded.height, decoded.media_type) == (640, 480, KINDS[kind])
    if kind != "raf":
        assert decoded.exif.captured_at is not None
    assert difference(whole(shell(kind, PREVIEW)), scene(640, 480)) < 1.5


@pytest.mark.parametrize("kind", [each for each in KINDS if each != "raf"])
def test_the_eight_orientations_of_a_preview_agree(kind: str) -> None:
    for orientation in range(1, 9):
        preview = encoded(held(scene(640, 480), orientation), "JPEG", quality=95)
        assert difference(whole(shell(kind, preview, orientation)), scene(640, 480)) < 1.5, orientation


def test_a_preview_with_an_orientation_of_its_own_is_turned_once() -> None:
    for orientation in (1, 3, 6):
        preview = oriented("JPEG", orientation, scene(640, 480), quality=95)
        for raw in (shell("raf", preview), dng(scene(96, 64), preview, orientation=8)):
            assert difference(whole(raw), scene(640, 480)) < 1.5


def test_the_orientations_of_a_developed_file_agree() -> None:
    pictures = [whole(dng(held(scene(192, 128), n), orientation=n)) for n in (1, 3, 6, 8)]
    assert max(difference(pictures[0], other) for other in pictures[1:]) < 1.5


def test_raw_files_have_their_own_limit_on_bytes() -> None:
    small = DecodeLimits(size_bytes=10_000, raw_size_bytes=5_000_000)
    raw = dng(scene(96, 64), PREVIEW)
    assert len(raw) > 10_000
    assert decode(raw, DecodeJob(), small).width == 640
    assert reason_of(raw, DecodeLimits(size_bytes=10, raw_size_bytes=20)) == (
        Reason.IMAGE_TOO_LARGE,
        "size_bytes",
    )
    assert reason_of(encoded(scene(96, 64), "TIFF"), small) == (Reason.IMAGE_TOO_LARGE, "size_bytes")
    assert small.bytes_allowed(b"FUJIFILMCCD-RAW 02") == 5_000_000
    assert small.bytes_allowed(b"\xff\xd8\xff\xe0") == 10_000


def test_raw_files_have_their_own_limit_on_time() -> None:
    limits = DecodeLimits(seconds=1, raw_seconds=9)
    assert limits.seconds_allowed(dng(scene(96, 64))) == 9
    assert limits.seconds_allowed(encoded(scene(), "TIFF")) == 1
    assert limits.seconds_allowed(PREVIEW) == 1


def test_a_preview_over_the_limits_is_passed_over() -> None:
    limits = DecodeLimits(pixels=100_000)
    raw = dng(scene(96, 64), PREVIEW)
    assert decode(raw, DecodeJob(), limits).width == 96
    assert reason_of(dng(scene(400, 300)), limits) == (Reason.IMAGE_TOO_LARGE, "pixels")


@pytest.mark.parametrize("kind", ["dng", *KINDS])
def test_raw_files_cut_short_or_changed_give_a_picture_or_a_reason(kind: str) -> None:
    data = dng(scene(96, 64), PREVIEW) if kind == "dng" else shell(kind, PREVIEW)
    cut = [data[:length] for length in range(20, len(data), len(data) // 25)]
    changed = [data[:at] + b"\xff\xff\xff\x7f" + data[at + 4 :] for at in range(4, min(len(data), 400), 3)]
    outcomes = {outcome(each) for each in (*cut, *changed)}
    assert outcomes <= {"", "IMAGE_UNREADABLE", "IMAGE_FORMAT_UNSUPPORTED", "IMAGE_TOO_LARGE"}


def outcome(data: bytes) -> str:
    try:
        looked_at(data)
    except SoutuError as error:
        return error.reason.name
    return ""


def test_raw_files_of_other_makers_are_not_taken_for_tiff() -> None:
    other = shell("nef", PREVIEW).replace(b"NIKON CORPORATION", b"PENTAX CORPORATIO")
    assert reason_of(other) == (Reason.IMAGE_FORMAT_UNSUPPORTED, "")

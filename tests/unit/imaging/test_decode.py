from collections.abc import Callable
from zlib import compress

import numpy as np
import pytest
from PIL import Image

from soutu.domain.errors import Reason, SoutuError
from soutu.domain.image import Region
from soutu.domain.model import Fit, InputSpec
from soutu.imaging.decode import decode, eighths_needed
from soutu.imaging.job import DecodeJob, Pixels
from soutu.imaging.limits import DecodeLimits
from tests.unit.imaging.pictures import (
    HEIC,
    LIMITS,
    difference,
    encoded,
    looked_at,
    oriented,
    png,
    png_chunk,
    scene,
    whole,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
EVERY_KIND: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: encoded(scene(), "JPEG", quality=95),
    "progressive": lambda: encoded(scene(), "JPEG", progressive=True),
    "png": lambda: encoded(scene(), "PNG"),
    "webp": lambda: encoded(scene(), "WEBP"),
    "webp-lossless": lambda: encoded(scene(), "WEBP", lossless=True),
    "gif": lambda: encoded(scene(), "GIF"),
    "tiff": lambda: encoded(scene(), "TIFF"),
    "tiff-lzw": lambda: encoded(scene(), "TIFF", compression="tiff_lzw"),
    "bmp": lambda: encoded(scene(), "BMP"),
    "avif": lambda: encoded(scene(), "AVIF"),
    "heic": lambda: (HEIC / "orientation_1.heic").read_bytes(),
}


def reason_of(data: bytes, limits: DecodeLimits = LIMITS) -> tuple[Reason, str]:
    with pytest.raises(SoutuError) as refused:
        decode(data, DecodeJob(InputSpec(64, 64), thumbnail_side=32), limits)
    return refused.value.reason, refused.value.metadata.get("limit", "")


def whole_or_reason(data: bytes) -> Pixels | Reason:
    try:
        return whole(data)
    except SoutuError as error:
        return error.reason


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_every_allowed_format_says_its_size_and_media_type(kind: str) -> None:
    decoded = looked_at(EVERY_KIND[kind]())
    assert (decoded.width, decoded.height) == (96, 64)
    assert decoded.media_type == f"image/{kind.split('-')[0].replace('progressive', 'jpeg')}"
    assert decoded.pixels is None
    assert decoded.thumbnail is None


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_the_eight_orientations_agree(kind: str) -> None:
    options = {} if kind in ("PNG", "TIFF") else {"quality": 95}
    for orientation in range(1, 9):
        pixels = whole(oriented(kind, orientation, scene(), **options))
        assert pixels.shape == (64, 96, 3)
        assert difference(pixels, scene()) < 1.5 if options else difference(pixels, scene()) == 0, orientation


def test_the_eight_orientations_of_heic_agree() -> None:
    first, *others = (whole((HEIC / f"orientation_{n}.heic").read_bytes()) for n in range(1, 9))
    assert max(difference(first, other) for other in others) < 1


@pytest.mark.parametrize("size", [(1001, 747), (500, 375)])
def test_the_orientations_agree_at_reduced_scale(size: tuple[int, int]) -> None:
    job = DecodeJob(InputSpec(112, 112))
    pictures = [
        decode(oriented("JPEG", n, scene(*size), quality=95), job, LIMITS).pixels for n in range(1, 9)
    ]
    assert pictures[0] is not None
    assert all(difference(pictures[0], other) < 1 for other in pictures if other is not None)


def test_an_orientation_in_xmp_alone_is_not_applied() -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><d tiff:Orientation="3"/></x:xmpmeta>'
    assert difference(whole(encoded(scene(), "WEBP", lossless=True, xmp=xmp)), scene()) == 0


def test_reduced_scale_is_never_below_what_the_fit_needs_and_looks_the_same() -> None:
    picture = scene(1400, 1050)
    data, job = encoded(picture, "JPEG", quality=95), DecodeJob(InputSpec(224, 224))
    assert eighths_needed((1400, 1050), job) == 4
    reduced = decode(data, job, LIMITS).pixels
    full = decode(encoded(picture, "PNG"), job, LIMITS).pixels
    assert reduced is not None
    assert full is not None
    assert difference(reduced, full) < 1


@pytest.mark.parametrize(
    ("job", "eighths"),
    [
        (DecodeJob(), 1),
        (DecodeJob(InputSpec(55, 55)), 1),
        (DecodeJob(InputSpec(56, 56)), 2),
        (DecodeJob(InputSpec(112, 112)), 4),
        (DecodeJob(InputSpec(224, 224)), 8),
        (DecodeJob(InputSpec(112, 112), Region(0, 0, 0.5, 0.5)), 8),
        (DecodeJob(InputSpec(112, 112, Fit.STRETCH)), 4),
        (DecodeJob(InputSpec(2000, 2000)), 8),
        (DecodeJob(thumbnail_side=320), 2),
        (DecodeJob(InputSpec(96, 96), thumbnail_side=640), 4),
    ],
)
def test_the_scale_follows_the_neediest_part_of_the_job(job: DecodeJob, eighths: int) -> None:
    assert eighths_needed((1280, 1000), job) == eighths


def test_a_region_is_what_the_image_cut_out_by_hand_would_be() -> None:
    picture, spec = scene(400, 300), InputSpec(64, 64)
    part = decode(encoded(picture, "PNG"), DecodeJob(spec, Region(0.25, 0.5, 0.75, 1)), LIMITS).pixels
    cut = decode(encoded(picture.crop((100, 150, 300, 300)), "PNG"), DecodeJob(spec), LIMITS).pixels
    assert np.array_equal(part, cut)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_a_file_cut_short_is_unreadable_or_already_whole(kind: str) -> None:
    data = EVERY_KIND[kind]()
    intact = whole(data)
    for length in range(24, len(data), max(1, len(data) // 40)):
        outcome = whole_or_reason(data[:length])
        if isinstance(outcome, Reason):
            assert outcome in (Reason.IMAGE_UNREADABLE, Reason.IMAGE_FORMAT_UNSUPPORTED), length
        else:
            assert np.array_equal(outcome, intact), length


@pytest.mark.parametrize("kind", ["jpeg", "progressive", "png", "webp", "gif", "tiff", "bmp", "avif", "heic"])
def test_half_a_file_is_unreadable(kind: str) -> None:
    data = EVERY_KIND[kind]()
    assert reason_of(data[: len(data) // 2]) == (Reason.IMAGE_UNREADABLE, "")


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_bytes_changed_at_random_give_a_picture_or_a_reason(kind: str) -> None:
    data, random = EVERY_KIND[kind](), np.random.default_rng(7)
    for _ in range(30):
        broken = bytearray(data)
        for at in random.integers(8, len(data), 4):
            broken[at] = int(random.integers(256))
        outcome = whole_or_reason(bytes(broken))
        assert not isinstance(outcome, Reason) or outcome.name.startswith("IMAGE_")


def test_no_bytes_and_foreign_bytes_have_their_own_reasons() -> None:
    assert reason_of(b"") == (Reason.IMAGE_EMPTY, "")
    for foreign in (
        b"hello",
        b"BMW is a car maker",
        b"\0\0\0\x18ftypmp42" + bytes(16),
        b"%PDF-1.7",
        bytes(99),
    ):
        assert reason_of(foreign) == (Reason.IMAGE_FORMAT_UNSUPPORTED, "")


def test_a_huge_canvas_is_refused_before_it_is_decoded() -> None:
    rows = b"not even pixels"
    assert reason_of(png(8000, 8000, rows=rows)) == (Reason.IMAGE_TOO_LARGE, "pixels")
    assert reason_of(png(20_000, 10, rows=rows)) == (Reason.IMAGE_TOO_LARGE, "side")
    assert reason_of(png(2**31 - 1, 2**31 - 1, rows=rows)) == (Reason.IMAGE_TOO_LARGE, "side")


@pytest.mark.parametrize("kind", ["jpeg", "webp", "gif", "tiff", "bmp", "avif", "heic"])
def test_each_format_keeps_to_the_limits_on_size(kind: str) -> None:
    data = EVERY_KIND[kind]()
    assert reason_of(data, DecodeLimits(size_bytes=len(data) - 1)) == (Reason.IMAGE_TOO_LARGE, "size_bytes")
    assert reason_of(data, DecodeLimits(pixels=96 * 64 - 1)) == (Reason.IMAGE_TOO_LARGE, "pixels")
    assert reason_of(data, DecodeLimits(side=95)) == (Reason.IMAGE_TOO_LARGE, "side")


def test_a_jpeg_of_many_scans_is_refused() -> None:
    data = encoded(scene(), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    bomb = data[:last] + data[last:-2] * 200 + data[-2:]
    assert reason_of(bomb) == (Reason.IMAGE_TOO_LARGE, "jpeg_scans")
    assert looked_at(data).width == 96


def test_too_much_metadata_is_refused_packed_or_not() -> None:
    packed = png_chunk(b"zTXt", b"Comment\0\0" + compress(bytes(2_000_000)))
    international = png_chunk(b"iTXt", b"Comment\0\1\0\0\0" + compress(bytes(2_000_000)))
    plain = png_chunk(b"tEXt", b"Comment\0" + bytes(2_000_000))
    for chunk in (packed, international, plain, png_chunk(b"tEXt", b"a\0b") * 90_000):
        assert reason_of(png(9, 9, chunk)) == (Reason.IMAGE_TOO_LARGE, "metadata_bytes")
    assert looked_at(png(9, 9, png_chunk(b"zTXt", b"Comment\0\0" + compress(b"fine")))).width == 9


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "TIFF", "PNG"])
def test_each_format_keeps_to_the_limit_on_metadata(kind: str) -> None:
    exif = Image.Exif()
    exif[0x010E] = "x" * 30_000
    data = encoded(scene(), kind, exif=exif.tobytes())
    assert reason_of(data, DecodeLimits(metadata_bytes=10_000)) == (Reason.IMAGE_TOO_LARGE, "metadata_bytes")


def test_a_cameras_raw_file_is_not_taken_for_its_first_picture() -> None:
    dng = encoded(scene(), "TIFF", tiffinfo={50706: b"\1\4\0\0"})
    canon = b"II*\0\x10\0\0\0CR\2\0" + bytes(50)
    other = encoded(scene(), "TIFF", tiffinfo={254: 1, 330: 8})
    assert reason_of(dng) == reason_of(other) == (Reason.IMAGE_FORMAT_UNSUPPORTED, "")
    assert reason_of(canon) == (Reason.IMAGE_UNREADABLE, "")


def test_a_tiff_that_lies_about_its_tags_is_refused() -> None:
    lying = b"II*\0\x08\0\0\0\1\0" + b"\x0e\1\2\0\xff\xff\xff\x7f\0\0\0\0" + bytes(8)
    assert reason_of(lying) == (Reason.IMAGE_TOO_LARGE, "metadata_bytes")
    assert reason_of(b"MM\0*\xff\xff\xff\xff") == (Reason.IMAGE_UNREADABLE, "")


def test_of_an_animation_the_first_frame_is_taken() -> None:
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue", "lime")]
    for kind in ("GIF", "WEBP", "PNG", "TIFF"):
        options = {"lossless": True} if kind == "WEBP" else {}
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert difference(whole(data), frames[0]) == 0, kind


def test_messages_name_the_limit_and_no_vendor() -> None:
    with pytest.raises(SoutuError, match=r"the limit pixels is 50,000,000\.$"):
        looked_at(png(8000, 8000, rows=b""))
    with pytest.raises(SoutuError) as refused:
        looked_at(encoded(scene(), "WEBP")[:200])
    assert refused.value.message == "The image is damaged or cut short; send an intact file."

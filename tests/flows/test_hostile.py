"""Pictures from strangers, sent to a real server: each is answered with the reason that is meant for it."""

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from soutu.v1.admin_service_pb2 import GetStatusRequest
from soutu.v1.image_service_pb2 import DownloadImageRequest, UploadImageRequest
from soutu.v1.search_pb2 import QueryPart, SearchRequest
from tests.flows.pictures import jpeg
from tests.flows.refusals import Refusal, refusal_of, refusal_or_none
from tests.flows.served import Served
from tests.unit.imaging.bombs import BOMBS
from tests.unit.imaging.pictures import encoded, held, oriented, png, scene
from tests.unit.imaging.raws import KINDS, dng, shell

ARCHIVE = Path(__file__).parents[3] / "shared" / "corpus" / "odd-images.tar.gz"
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
ALLOWED = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF")
ODD = frozenset(("IMAGE_FORMAT_UNSUPPORTED", "IMAGE_UNREADABLE", "IMAGE_TOO_LARGE"))
PLAIN_MODES = ("L", "RGB", "RGBA", "P", "1", "LA")
SLOW = "50 megapixels"


@pytest.fixture(scope="module")
def corpus() -> Iterator[dict[str, bytes]]:
    if not ARCHIVE.exists():
        pytest.skip(f"the collection of odd images is not at {ARCHIVE}")
    with tarfile.open(ARCHIVE) as archive:
        members = (member for member in archive if member.isfile())
        yield {Path(member.name).name: archive.extractfile(member).read() for member in members}  # type: ignore[union-attr]


def uploading(collection: str, picture: bytes, image_id: str = "") -> UploadImageRequest:
    return UploadImageRequest(parent=f"collections/{collection}", image_id=image_id, content=picture)


def searching(collection: str, picture: bytes) -> SearchRequest:
    return SearchRequest(collection=f"collections/{collection}", parts=[QueryPart(image=picture)])


def both(server: Served, collection: str, picture: bytes) -> Refusal | None:
    """How the picture is refused, uploaded and searched for alike; None if it is taken."""
    uploaded = refusal_or_none(lambda: server.stubs.images.UploadImage(uploading(collection, picture)))
    searched = refusal_or_none(lambda: server.stubs.search.Search(searching(collection, picture)))
    assert uploaded == searched
    return uploaded


def reason(refusal: Refusal | None) -> str:
    """The reason; every refusal of a picture is the picture's fault and names none of our insides."""
    if refusal is None:
        return ""
    assert refusal.status == "INVALID_ARGUMENT"
    assert not any(word in refusal.message for word in ("Error", "Traceback", "PIL", "libjpeg", " /"))
    return refusal.reason


@pytest.mark.slow
def test_every_odd_image_has_the_size_that_it_should_or_a_reason(
    server: Served, collection: str, corpus: dict[str, bytes]
) -> None:
    entries = json.loads(corpus["manifest.json"])
    wrong = []
    for entry in entries:
        picture = corpus[entry["name"]]
        refusal = refusal_or_none(
            lambda: server.stubs.images.UploadImage(uploading(collection, picture, entry["name"].lower()))  # noqa: B023
        )
        right = entry["opens_strict"] and entry["format"] in ALLOWED
        if reason(refusal) not in ([""] if right else ODD):
            wrong.append((entry["name"], reason(refusal)))
        elif right and not seen_as_pillow_does(server, collection, entry, picture):
            wrong.append((entry["name"], "other pixels"))
    assert wrong == []
    assert len(entries) == 265


def seen_as_pillow_does(server: Served, collection: str, entry: dict[str, Any], picture: bytes) -> bool:
    """Whether size and thumbnail are those of the picture as Pillow has it, laid on white and upright."""
    image = server.client.images.get(f"collections/{collection}/images/{entry['name'].lower()}")
    if sorted((image.content.width, image.content.height)) != sorted(
        (int(entry["width"]), int(entry["height"]))
    ):
        return False
    with Image.open(io.BytesIO(picture)) as opened:
        if (
            opened.mode not in PLAIN_MODES
            or opened.info.get("icc_profile")
            or opened.format in ("AVIF", "HEIF")
        ):
            return True  # colours are converted, or turned by the codec: the unit tests compare these
        upright = ImageOps.exif_transpose(opened).convert("RGBA")
    laid = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright).convert("RGB")
    seen = thumbnail(server, collection, entry["name"].lower())
    small = laid.resize(seen.size, Image.Resampling.BICUBIC, reducing_gap=3.0)
    expected = Image.open(io.BytesIO(encoded(small, "JPEG", quality=85, subsampling=2)))
    return difference(seen, expected) < 4


def thumbnail(server: Served, collection: str, image_id: str) -> Image.Image:
    name = f"collections/{collection}/images/{image_id}"
    request = DownloadImageRequest(name=name, variant="VARIANT_THUMBNAIL", thumbnail_side=256)  # type: ignore[arg-type]
    return Image.open(io.BytesIO(downloaded(server, request)))


def difference(one: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(one, np.float32) - np.asarray(other, np.float32)).mean())


@pytest.mark.slow
def test_every_bomb_is_refused_for_what_it_is_and_costs_no_decoder(server: Served, collection: str) -> None:
    before = replaced(server)
    bombs = {name: bomb for name, bomb in BOMBS.items() if SLOW not in name}
    found = {name: reason(both(server, collection, drawn())) for name, (drawn, _, _) in bombs.items()}
    wrong = {name: each for name, each in found.items() if each not in bombs[name][1]}
    assert wrong == {}
    assert replaced(server) == before


def replaced(server: Served) -> str:
    """Such as "0 replaced"; on a busy machine further decoders may stand in for slow ones."""
    return decoders(server).rpartition(", ")[2]


def decoders(server: Served) -> str:
    status = server.stubs.admin.GetStatus(GetStatusRequest())
    return next(part.detail for part in status.parts if part.part == "decoders")


@pytest.mark.parametrize(
    "kind",
    ["JPEG", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("PNG", "WEBP", "TIFF", "AVIF"))],
)
def test_the_eight_orientations_are_one_picture(server: Served, collection: str, kind: str) -> None:
    options = {} if kind in ("PNG", "TIFF") else {"quality": 95}
    shown = []
    for number in range(1, 9):
        picture = oriented(kind, number, scene(240, 160), **options)
        server.stubs.images.UploadImage(uploading(collection, picture, f"turned-{number}"))
        shown.append(thumbnail(server, collection, f"turned-{number}"))
    apart = [difference(shown[0], other) for other in shown[1:]]
    assert max(apart) <= 1


def test_raw_files_are_taken_with_their_previews_or_developed(server: Served, collection: str) -> None:
    preview = encoded(held(scene(640, 480), 6), "JPEG", quality=95)
    for kind, media_type in KINDS.items():
        if kind == "raf":
            continue
        answer = server.stubs.images.UploadImage(uploading(collection, shell(kind, preview, 6)))
        content = answer.image.content
        assert (content.width, content.height, content.media_type) == (640, 480, media_type)
    answer = server.stubs.images.UploadImage(uploading(collection, dng(scene(120, 80)), "developed"))
    assert (answer.image.content.width, answer.image.exif.camera) == (120, "Soutu Drawn")
    assert difference(thumbnail(server, collection, "developed"), scene(120, 80)) < 4


@pytest.fixture
def strict_server(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Starts servers with settings of their own, without the library that develops raw files."""
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "rawpy.py").write_text("raise ImportError('not installed')\n")
    served: list[Served] = []

    def start(**settings: str) -> Served:
        variables = {f"SOUTU_DECODE_{name}": value for name, value in settings.items()}
        each = Served(tmp_path / f"server{len(served)}", [], {**variables, "PYTHONPATH": python_path(broken)})
        served.append(each)
        each.start()
        each.client.collections.create("c")
        return each

    yield start
    for each in served:
        each.end()


def python_path(first: Path) -> str:
    return f"{first}:{Path(__file__).parents[2] / 'service'}"


@pytest.mark.slow
def test_where_raw_files_cannot_be_developed_it_is_said_how_they_can(
    strict_server: Callable[..., Served],
) -> None:
    server = strict_server()
    refusal = refusal_of(lambda: server.stubs.images.UploadImage(uploading("c", dng(scene(120, 80)))))
    assert (refusal.status, refusal.reason) == ("FAILED_PRECONDITION", "IMAGE_RAW_UNAVAILABLE")
    assert "extra `raw`" in refusal.message


def test_a_memory_bomb_and_a_slow_one_are_named_and_the_next_picture_is_taken(
    strict_server: Callable[..., Served],
) -> None:
    server = strict_server(MEMORY_BYTES=str(64 * 1024 * 1024), WORKERS="1", SECONDS="0.8")
    memory_bomb = png(7_000, 7_000)
    for _ in range(3):
        assert reason(both(server, "c", memory_bomb)) == "IMAGE_HOSTILE"
    assert "1 replaced" in decoders(server)
    assert reason(both(server, "c", jpeg(3))) == ""


def refused(server: Served, picture: bytes) -> Refusal:
    return refusal_of(lambda: server.stubs.images.UploadImage(uploading("c", picture)))


def test_a_slow_bomb_is_tried_twice_and_then_refused_at_once(strict_server: Callable[..., Served]) -> None:
    server = strict_server(WORKERS="1", SECONDS="0.05")
    slow, starved = png(9_000, 5_000), 0
    for _ in range(3):
        while (refusal := refused(server, slow)).reason == "DECODER_UNAVAILABLE":
            starved += 1  # by whatever else the machine does
        assert reason(refusal) == "IMAGE_TOO_SLOW"
    assert f"{2 + starved} replaced" in decoders(server)


def test_each_limit_is_a_setting(strict_server: Callable[..., Served]) -> None:
    server = strict_server(
        IMAGE_BYTES="60000",
        RAW_BYTES="90000",
        PIXELS="40000",
        SIDE="250",
        JPEG_SCANS="3",
        METADATA_BYTES="2048",
    )
    exif = Image.Exif()
    exif[0x010E] = "x" * 4_000
    over = {
        "size_bytes": bytes(60_001),
        "pixels": encoded(scene(210, 200), "PNG"),
        "side": encoded(scene(251, 10), "PNG"),
        "jpeg_scans": encoded(scene(90, 60), "JPEG", progressive=True),
        "metadata_bytes": encoded(scene(90, 60), "JPEG", exif=exif.tobytes()),
    }
    for limit, picture in over.items():
        refusal = both(server, "c", picture)
        assert reason(refusal) == "IMAGE_TOO_LARGE"
        assert refusal
        assert refusal.limit == limit
    raw = shell("nef", encoded(scene(200, 150), "JPEG") + bytes(70_000))
    assert 60_000 < len(raw) < 90_000
    assert reason(both(server, "c", raw)) == ""


def placed(kind: str) -> bytes:
    """A picture of the format with a place in its EXIF and in its XMP."""
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: "N", 2: (57.0, 42.0, 31.5), 29: "2031:07:08"})
    exif[0x0110] = "Camera"
    return encoded(scene(), kind, exif=exif.tobytes(), xmp=b'<x xmlns:e="e" e:GPSLatitude="57,42.525N"/>')


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_the_place_is_in_no_thumbnail_and_in_downloads_only_on_request(
    server: Served, collection: str, kind: str
) -> None:
    picture = placed(kind)
    assert b"2031:07:08" in picture
    server.stubs.images.UploadImage(uploading(collection, picture, "placed"))
    name = f"collections/{collection}/images/placed"
    plain = downloaded(server, DownloadImageRequest(name=name))
    assert b"2031:07:08" not in plain
    assert b"57,42.525N" not in plain
    assert Image.open(io.BytesIO(plain)).getexif()[0x0110] == "Camera"
    assert Image.open(io.BytesIO(plain)).tobytes() == Image.open(io.BytesIO(picture)).tobytes()
    assert downloaded(server, DownloadImageRequest(name=name, keep_location=True)) == picture
    small = downloaded(server, DownloadImageRequest(name=name, variant="VARIANT_THUMBNAIL"))  # type: ignore[arg-type]
    assert not dict(Image.open(io.BytesIO(small)).getexif())


def downloaded(server: Served, request: DownloadImageRequest) -> bytes:
    return b"".join(piece.chunk for piece in server.stubs.images.DownloadImage(request))


def test_where_a_place_cannot_be_taken_out_the_download_says_so(server: Served, collection: str) -> None:
    picture = encoded(scene(), "JPEG") + b"Exif\0\0II*\0\x08\0\0\0" * 100
    server.stubs.images.UploadImage(uploading(collection, picture, "many"))
    name = f"collections/{collection}/images/many"
    refusal = refusal_of(lambda: downloaded(server, DownloadImageRequest(name=name)))
    assert (refusal.status, refusal.reason) == ("FAILED_PRECONDITION", "LOCATION_NOT_REMOVABLE")
    assert downloaded(server, DownloadImageRequest(name=name, keep_location=True)) == picture

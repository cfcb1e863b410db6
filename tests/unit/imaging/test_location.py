"""Where a picture was taken leaves the file; nothing else does."""

import io
import struct
import time

import pytest
from PIL import Image, PngImagePlugin

from soutu.domain.errors import Reason, SoutuError
from soutu.imaging.location import without_location
from tests.unit.imaging.pictures import encoded, scene
from tests.unit.imaging.raws import ASCII, LONG, RATIONAL, Page, Tag, shell, tiff

GPS = {1: "N", 2: (57.0, 42.0, 31.5), 3: "E", 4: (11.0, 58.0, 12.25), 29: "2024:05:06"}
XMP = b"""<?xpacket?><x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:Description exif:GPSLatitude="57,42.5N" dc:t="kept">
<exif:GPSLongitude>11,58.2E</exif:GPSLongitude></rdf:Description></x:xmpmeta>"""


def picture(kind: str, *, gps: bool = True, **options: object) -> bytes:
    exif = Image.Exif()
    exif[0x0110], exif[0x0112] = "Camera", 6
    if gps:
        exif.get_ifd(0x8825).update(GPS)
    file = io.BytesIO()
    image = Image.radial_gradient("L").convert("RGB").resize((64, 48))
    image.save(file, kind, exif=exif, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_the_place_leaves_exif_and_the_rest_stays(kind: str) -> None:
    given = picture(kind)
    assert dict(Image.open(io.BytesIO(given)).getexif().get_ifd(0x8825))

    cleaned = without_location(given)

    seen = Image.open(io.BytesIO(cleaned))
    assert not dict(seen.getexif().get_ifd(0x8825))
    assert (seen.getexif()[0x0110], seen.getexif()[0x0112]) == ("Camera", 6)
    assert seen.tobytes() == Image.open(io.BytesIO(given)).tobytes()
    assert b"2024:05:06" not in cleaned


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_place_leaves_the_directories_of_a_tiff(order: str) -> None:
    exif = Image.Exif()
    exif.endian, exif[0x0110] = order, "Camera"
    exif.get_ifd(0x8825).update(GPS)
    seen = Image.Exif()
    seen.load(without_location(exif.tobytes().removeprefix(b"Exif\0\0")))
    assert (seen[0x0110], dict(seen.get_ifd(0x8825))) == ("Camera", {})


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_the_place_leaves_xmp(kind: str) -> None:
    cleaned = without_location(picture(kind, gps=False, xmp=XMP))
    assert b"57,42" not in cleaned
    assert b"11,58" not in cleaned
    assert b'dc:t="kept"' in cleaned


@pytest.mark.parametrize("packed", [True, False])
def test_the_place_leaves_text_of_png(packed: bool) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", XMP.decode(), zip=packed)
    text.add_text("Raw profile type exif", "0011", zip=packed)
    cleaned = without_location(picture("PNG", gps=False, pnginfo=text))
    seen = Image.open(io.BytesIO(cleaned))
    seen.load()
    assert "Raw profile type exif" not in seen.info
    assert "57,42" not in str(seen.info)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_file_without_a_place_stays_as_it_is(kind: str) -> None:
    given = picture(kind, gps=False)
    assert without_location(given) == given


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_damaged_files_are_no_danger(kind: str) -> None:
    given = picture(kind)
    for place in range(0, min(len(given), 600), 3):
        damaged = bytearray(given)
        damaged[place : place + 4] = b"\xff\xff\xff\xff"
        assert len(without_location(bytes(damaged))) > 0
        assert len(without_location(given[:place])) == place


PLACE = [
    Tag(1, ASCII, b"N\0"),
    Tag(2, RATIONAL, [(57, 1), (42, 1), (315, 10)]),
    Tag(29, ASCII, b"2031:07:08\0"),
]


def placed(magic: bytes, order: str = "<") -> bytes:
    """A TIFF structure with a GPS directory."""
    data = bytearray(tiff([Page([Tag(271, ASCII, b"Maker\0")]), Page(PLACE)], order, magic))
    # The drawn file keeps its second directory under SubIFDs; here it is the GPS directory.
    at = data.rindex(struct.pack(order + "HHI", 330, LONG, 1))
    struct.pack_into(order + "H", data, at, 34853)
    return bytes(data)


@pytest.mark.parametrize("magic", [b"II*\0", b"IIRO", b"IIRS", b"IIU\0"])
def test_the_place_leaves_raw_files_that_are_like_tiff(magic: bytes) -> None:
    cleaned = without_location(placed(magic))
    assert b"2031:07:08" not in cleaned
    assert b"Maker" in cleaned
    assert b"2031:07:08" in placed(magic)


def test_the_place_leaves_the_box_that_canon_keeps_it_in() -> None:
    file = shell("cr3", encoded(scene(), "JPEG")) + b"\0\0\1\0CMT4" + tiff([Page(PLACE)])
    cleaned = without_location(file)
    assert b"2031:07:08" in file
    assert b"2031:07:08" not in cleaned
    assert b"EOS" in cleaned
    assert len(cleaned) == len(file)


def test_the_place_leaves_items_of_heif_that_do_not_say_exif() -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8825).update(GPS)
    block = exif.tobytes().removeprefix(b"Exif\0\0")
    file = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"meta" + b"\0\0\0\0" + block
    assert b"2024:05:06" in file
    assert b"2024:05:06" not in without_location(file)


def test_the_place_leaves_big_tiff() -> None:
    entry = struct.Struct("<HHQQ")
    place = struct.pack("<Q", 1) + entry.pack(29, 2, 11, 200) + bytes(8)
    first = struct.pack("<Q", 1) + entry.pack(34853, 16, 1, 100) + bytes(8)
    file = (b"II+\0\x08\0\0\0" + struct.pack("<Q", 16) + first).ljust(100, b"\0") + place
    file = file.ljust(200, b"\0") + b"2024:05:06\0"
    assert b"2024:05:06" not in without_location(file)


def test_the_place_leaves_properties_of_any_maker_in_any_case() -> None:
    drone = b'<rdf:Description drone-dji:GpsLatitude="57.42" x:gpsLongitude = \'11.58\' drone-dji:Speed="3"/>'
    cleaned = without_location(b"\xff\xd8" + drone)
    assert b"57.42" not in cleaned
    assert b"11.58" not in cleaned
    assert b'Speed="3"' in cleaned


def test_where_it_cannot_be_taken_out_it_is_said() -> None:
    with pytest.raises(SoutuError) as refused:
        without_location(b"\xff\xd8" + b"Exif\0\0II*\0\x08\0\0\0" * 100)
    assert refused.value.reason is Reason.LOCATION_NOT_REMOVABLE


@pytest.mark.parametrize(
    "filling",
    [
        b"<x:GPSa ",
        b'x:GPSa="',
        b"x:GPSa = ",
        b"<x:GPSa>",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff",
        b"\0\0\0\x02tEXtRaw profile type \0\0\0\0",
    ],
)
def test_files_made_to_be_slow_are_not(filling: bytes) -> None:
    for head in (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"):
        started = time.process_time()
        assert outcome(head + filling * (5_000_000 // len(filling))) in ("", "LOCATION_NOT_REMOVABLE")
        assert time.process_time() - started < 5


def outcome(file: bytes) -> str:
    try:
        without_location(file)
    except SoutuError as error:
        return error.reason.name
    return ""

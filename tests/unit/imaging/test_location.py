"""Where a picture was taken leaves the file; nothing else does."""

import io

import pytest
from PIL import Image, PngImagePlugin

from soutu.imaging.location import without_location

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

import numpy as np
import pytest
from PIL import Image, ImageCms

from soutu.imaging.colour import to_srgb
from tests.unit.imaging.pictures import difference, encoded, scene, whole


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "CMYK", "YCbCr", "HSV", "RGBA", "LA", "PA", "RGBX", "LAB"])
def test_every_mode_becomes_the_same_picture(mode: str) -> None:
    picture = scene().convert("L").convert("RGB") if mode in ("L", "LA") else scene()
    if mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        other = ImageCms.profileToProfile(picture, srgb, lab, outputMode="LAB")
        assert other is not None
    else:
        other = picture.convert("P").convert("PA") if mode == "PA" else picture.convert(mode)
    converted = to_srgb(other, b"")
    assert converted.mode == "RGB"
    assert difference(converted, picture) < (25 if mode in ("P", "PA") else 3)


def test_black_and_white_is_black_and_white() -> None:
    assert np.asarray(to_srgb(Image.new("1", (2, 2), 1), b"")).min() == 255


def test_transparency_is_laid_on_white() -> None:
    clear = Image.new("RGBA", (4, 4), (200, 0, 0, 0))
    half = Image.new("RGBA", (4, 4), (0, 0, 0, 128))
    assert np.asarray(to_srgb(clear, b"")).min() == 255
    assert np.asarray(to_srgb(half, b""))[0, 0].tolist() == [127, 127, 127]
    indexed = Image.new("P", (4, 4), 1)
    indexed.putpalette([0, 0, 0, 255, 0, 0])
    assert whole(encoded(indexed, "PNG", transparency=1)).min() == 255
    assert whole(encoded(indexed, "GIF", transparency=1)).min() == 255


def test_16_bits_are_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    for kind in ("PNG", "TIFF"):
        values = whole(encoded(Image.fromarray(ramp), kind))[:, :, 0].ravel()
        assert np.abs(values.astype(int) - np.arange(256)).max() <= 1, kind


@pytest.mark.parametrize("white", [1.0, 255.0, 1000.0])
def test_floats_are_scaled_not_clipped(white: float) -> None:
    ramp = np.linspace(0, white, 256, dtype=np.float32).reshape(16, 16)
    values = whole(encoded(Image.fromarray(ramp), "TIFF"))[:, :, 0].ravel()
    assert np.abs(values.astype(int) - np.arange(256)).max() <= 1


def test_wild_floats_and_integers_stay_within_the_scale() -> None:
    wild = np.array([[np.nan, np.inf], [-5.0, 3e38]], np.float32)
    assert to_srgb(Image.fromarray(wild), b"").mode == "RGB"
    signed = np.array([[-100_000, 0], [50_000, 100_000]], np.int32)
    assert np.asarray(to_srgb(Image.fromarray(signed), b""))[:, :, 0].tolist() == [[0, 128], [191, 255]]


def wide_profile() -> bytes:
    """An RGB profile whose red and green are the other way round, as a stand-in for any other than sRGB."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = data.index(b"rXYZ"), data.index(b"gXYZ")
    data[red : red + 4], data[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_a_profile_is_applied(kind: str) -> None:
    picture = scene()
    red, green, blue = picture.split()
    expected = Image.merge("RGB", (green, red, blue))
    data = encoded(picture, kind, icc_profile=wide_profile(), quality=95)
    assert difference(whole(data), expected) < 4


def test_an_srgb_profile_changes_nothing() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert difference(whole(encoded(scene(), "PNG", icc_profile=profile)), scene()) == 0


def test_a_broken_or_foreign_profile_is_ignored() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert difference(to_srgb(scene(), b"nonsense"), scene()) == 0
    assert difference(to_srgb(scene(), wide_profile()[:200]), scene()) == 0
    grey = scene().convert("L")
    assert difference(to_srgb(grey, srgb), grey.convert("RGB")) == 0


def test_a_cmyk_jpeg_keeps_its_colours() -> None:
    assert difference(whole(encoded(scene().convert("CMYK"), "JPEG", quality=95)), scene()) < 4

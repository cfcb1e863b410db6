"""XMP: ratings and keywords, from packets beside pictures and within them."""

import pytest

from soutu.domain.errors import Reason, SoutuError
from soutu.domain.image import NO_ANNOTATIONS, Annotations, Metadata
from soutu.domain.model import InputSpec
from soutu.imaging.decode import decode
from soutu.imaging.job import DecodeJob
from soutu.imaging.xmp import read_embedded, read_xmp
from tests.unit.imaging.pictures import LIMITS, encoded, png, png_chunk, scene
from tests.unit.imaging.xmps import bag, packet

BOTH = packet('xmp:Rating="4"', bag("cat", "Katze", "cat"))
EMBEDDED = DecodeJob(InputSpec(32, 32), annotations=True)


def test_rating_and_keywords_are_read_as_attribute_or_element() -> None:
    assert read_xmp(BOTH) == Annotations(4, ("cat", "Katze"))
    assert read_xmp(packet("", "<xmp:Rating>3</xmp:Rating>")) == Annotations(3, None)
    assert read_xmp(packet()) == NO_ANNOTATIONS


def test_other_names_of_the_namespaces_are_as_good() -> None:
    other = (
        BOTH.replace(b"xmp:", b"xap:")
        .replace(b":xmp=", b":xap=")
        .replace(b"dc:", b"d:")
        .replace(b":dc=", b":d=")
    )
    assert read_xmp(other) == Annotations(4, ("cat", "Katze"))


@pytest.mark.parametrize(
    ("text", "rating"),
    [
        ("-1", 0),
        ("0", 0),
        ("5", 5),
        ("9", 5),
        ("3.0", 3),
        ("", None),
        ("good", None),
        ("nan", None),
        ("1e999", None),
    ],
)
def test_a_rating_is_from_0_to_5(text: str, rating: int | None) -> None:
    assert read_xmp(packet(f'xmp:Rating="{text}"')).rating == rating


def test_keywords_keep_to_the_limits_of_tags() -> None:
    many = [f"word{number}" for number in range(90)]
    assert read_xmp(packet("", bag(*many))).keywords == tuple(many[:64])
    assert read_xmp(packet("", bag("x" * 300, "  ", " a\u200b\nb "))).keywords == ("x" * 128, "ab")
    assert read_xmp(packet("", bag())).keywords == ()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_packets_are_read_in_their_encoding(encoding: str) -> None:
    text = BOTH.decode().replace("Katze", "猫")
    assert read_xmp(text.encode(encoding)).keywords == ("cat", "猫")


LAUGHS = b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 10))


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"no xml",
        BOTH[:-20],
        b"<a>" * 300_000,
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "ha">' + LAUGHS + b"]><x>&l9;</x>",
        b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
        b'<!DOCTYPE x SYSTEM "http://127.0.0.1/x.dtd"><x/>',
        b'<?xml version="1.0" encoding="no-such"?><x/>',
        b"\xff\xfe\x00",
        b"<x>" + b" " * 2_000_000 + b"</x>",
    ],
)
def test_what_is_not_sound_is_refused_and_where_embedded_ignored(bad: bytes) -> None:
    with pytest.raises(SoutuError) as refused:
        read_xmp(bad)
    assert refused.value.reason is Reason.SIDECAR_UNREADABLE
    assert read_embedded(bad) == NO_ANNOTATIONS


def test_deep_packets_are_read_or_refused() -> None:
    deep = b"<a>" * 100_000 + b"</a>" * 100_000
    assert read_embedded(deep) == NO_ANNOTATIONS


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF"])
def test_pictures_carry_annotations(kind: str) -> None:
    data = encoded(scene(), kind, xmp=BOTH)
    assert decode(data, EMBEDDED, LIMITS).annotations == Annotations(4, ("cat", "Katze"))
    assert decode(data, DecodeJob(), LIMITS).annotations == NO_ANNOTATIONS


def test_so_do_png_and_tiff() -> None:
    text = png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + BOTH)
    assert decode(png(9, 9, text), EMBEDDED, LIMITS).annotations.rating == 4
    tiff = encoded(scene(), "TIFF", tiffinfo={700: BOTH})
    assert decode(tiff, EMBEDDED, LIMITS).annotations.rating == 4


def test_annotations_go_over_a_file_and_under_a_user() -> None:
    user = Metadata(title="T", tags=("mine",), rating=2)
    assert Annotations(4, ("cat",)).over(user) == Metadata(title="T", tags=("cat",), rating=4)
    assert Annotations(4, ("cat",)).under(user) == user
    assert Annotations(4, ("cat",)).under(Metadata()) == Metadata(tags=("cat",), rating=4)
    assert NO_ANNOTATIONS.over(user) == NO_ANNOTATIONS.under(user) == user
    assert Annotations(0, ()).over(user) == Metadata(title="T")

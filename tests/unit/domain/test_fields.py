"""The fields that filters can name, and their values."""

from datetime import UTC, datetime

import pytest

from soutu.domain.collection import AttributeType
from soutu.domain.fields import SYSTEM_FIELDS, fields_of, is_set
from soutu.domain.image import Content, Exif, Image, Keeping, Metadata, Origin, Original
from soutu.domain.labels import PredictedLabel

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KINDS = {
    AttributeType.STRING: str,
    AttributeType.INTEGER: int,
    AttributeType.TIMESTAMP: datetime,
    AttributeType.STRINGS: tuple,
}
CONTENT = Content("0" * 64, 1_000, 640, 480, "image/jpeg", Exif("Camera", "Lens", NOW))
METADATA = Metadata("Title", ("a",), "https://example.org", "pets", 3, {"price": 0.5, "note": "", "of": ()})
WHOLE = Image(
    1,
    2,
    "cat-1",
    7,
    CONTENT,
    Original(Keeping.STORED),
    METADATA,
    NOW,
    NOW,
    Origin("source", "path"),
    (PredictedLabel("animals", "cat", 0.75), PredictedLabel("pets", "cat", 0.5)),
)
BARE = Image(1, 2, "b", 7, Content("0", 1, 1, 1, "x"), Original(Keeping.REFERENCED), Metadata(), NOW, NOW)


def test_a_whole_image_has_every_field_of_its_type() -> None:
    fields = fields_of(WHOLE)
    assert fields.keys() == SYSTEM_FIELDS.keys() | {"attributes.price"}
    for name, kind in SYSTEM_FIELDS.items():
        assert type(fields[name]) is KINDS[kind], name
    assert fields["labels"] == ("cat",)


def test_what_is_not_set_is_left_out() -> None:
    unset = {"title", "tags", "category", "source_uri", "exif.camera", "exif.lens", "exif.capture_time"}
    assert fields_of(BARE).keys() == SYSTEM_FIELDS.keys() - unset - {"origin.source", "origin.path", "labels"}
    assert fields_of(BARE)["rating"] == 0


@pytest.mark.parametrize(("value", "expected"), [(0, True), (False, True), ("", False), ((), False)])
def test_nothing_and_zero_are_different(value: object, expected: bool) -> None:
    assert is_set(value) is expected
    assert not is_set(float("nan"))
    assert not is_set(None)

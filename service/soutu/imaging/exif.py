"""EXIF: which way up, which camera, when. Nothing a camera or a stranger wrote makes these raise.

Tags are those of CIPA DC-008 (Exif 3.0).
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import cast

from PIL import ExifTags, Image

from soutu.domain.image import Exif

_TEXT_LENGTH = 200
_MOMENT = re.compile(r"(\d{4})[:\-/](\d\d)[:\-/](\d\d)[ T](\d\d):(\d\d):(\d\d)")
_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)")
# When the picture was taken, else digitised, else the file changed: (moment, offset, fraction of a second).
_MOMENT_TAGS = (
    (ExifTags.Base.DateTimeOriginal, ExifTags.Base.OffsetTimeOriginal, ExifTags.Base.SubsecTimeOriginal),
    (ExifTags.Base.DateTimeDigitized, ExifTags.Base.OffsetTimeDigitized, ExifTags.Base.SubsecTimeDigitized),
    (ExifTags.Base.DateTime, ExifTags.Base.OffsetTime, ExifTags.Base.SubsecTime),
)


def load_tags(raw: bytes) -> Image.Exif:
    """The tags of an EXIF block (without its "Exif\\0\\0"); none where it cannot be read."""
    tags = Image.Exif()
    if raw:
        try:
            tags.load(b"Exif\0\0" + raw)
            tags.get(ExifTags.Base.Orientation)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 a parser may raise anything over a stranger's bytes
            return Image.Exif()
    return tags


def tags_of(image: Image.Image) -> Image.Exif:
    """The tags of an opened image; none if they are unreadable."""
    try:
        return image.getexif()
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 as above
        return Image.Exif()


def orientation_of(tags: Image.Exif) -> int:
    """EXIF's orientation 1..8, else 1. XMP's is not asked, as browsers do not ask it: it is often stale."""
    value = _tag(tags, ExifTags.Base.Orientation)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def read_exif(tags: Image.Exif) -> Exif:
    """Camera, lens and moment, as far as they are readable; never raises."""
    if not len(tags):
        return Exif()
    details = _details(tags)
    make, model = _text(_tag(tags, ExifTags.Base.Make)), _text(_tag(tags, ExifTags.Base.Model))
    camera = model if model.lower().startswith(make.lower()) else f"{make} {model}".strip()
    return Exif(camera, _text(details.get(ExifTags.Base.LensModel)), _captured_at(tags, details))


def _details(tags: Image.Exif) -> dict[int, object]:
    """The tags of the Exif IFD, where all but make, model and the file's own date are."""
    try:
        return cast(dict[int, object], tags.get_ifd(ExifTags.IFD.Exif))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 as above
        return {}


def _tag(tags: Image.Exif, tag: int) -> object:
    try:
        return cast(object, tags.get(tag))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 as above
        return None


def _text(value: object) -> str:
    """Printable text of at most 200 characters; empty for anything that is not text."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return ""
    printable = "".join(character for character in value if character.isprintable() and character != "\ufffd")
    return printable.strip()[:_TEXT_LENGTH]


def _captured_at(tags: Image.Exif, details: dict[int, object]) -> datetime | None:
    for moment_tag, offset_tag, fraction_tag in _MOMENT_TAGS:
        source = tags if moment_tag == ExifTags.Base.DateTime else details
        moment = _moment(_text(source.get(moment_tag)), _text(details.get(fraction_tag)))
        if moment is not None:
            return _in_utc(moment, _text(details.get(offset_tag)))
    return None


def _moment(text: str, fraction: str) -> datetime | None:
    found = _MOMENT.match(text)
    if not found:
        return None
    micros = int(fraction[:6].ljust(6, "0")) if fraction.isascii() and fraction.isdigit() else 0
    year, month, day, hour, minute, second = (int(part) for part in found.groups())
    try:
        return datetime(year, month, day, hour, minute, second, micros, UTC)
    except ValueError:
        return None


def _in_utc(moment: datetime, offset: str) -> datetime:
    """`moment`, read as local time `offset` ("+08:00") from UTC; as UTC where there is no offset."""
    found = _OFFSET.match(offset)
    if not found:
        return moment
    east = timedelta(hours=int(found[2]), minutes=int(found[3]))
    try:
        return moment.replace(tzinfo=timezone(east if found[1] == "+" else -east)).astimezone(UTC)
    except (ValueError, OverflowError):
        return moment

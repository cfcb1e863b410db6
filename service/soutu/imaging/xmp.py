"""XMP: what photographers' programs note of a picture, beside its file or within it.

Of XMP (ISO 16684-1) the rating (xmp:Rating) and the keywords (dc:subject) are read, as Lightroom, digiKam,
darktable and Bridge write them.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from soutu.domain.errors import Reason, SoutuError
from soutu.domain.image import NO_ANNOTATIONS, Annotations

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

PACKET_LIMIT_BYTES = 1024 * 1024
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_RATING = "{http://ns.adobe.com/xap/1.0/}Rating"
_SUBJECT = "{http://purl.org/dc/elements/1.1/}subject"
_KEYWORDS, _KEYWORD_CHARACTERS, _HIGHEST = 64, 128, 5


def read_xmp(packet: bytes) -> Annotations:
    """The annotations of a packet; SIDECAR_UNREADABLE where it is no XML, has a document type or entities,
    which can be made to unfold without end, or has more than 1 MiB.

    A rating is rounded into 0..5, so that "rejected" (-1) is none. Of keywords the first 64 count, each cut
    at 128 characters.
    """
    from defusedxml import ElementTree  # type: ignore[import-untyped]  # loaded once there is a packet

    if len(packet) > PACKET_LIMIT_BYTES:
        raise SoutuError(Reason.SIDECAR_UNREADABLE)
    try:
        root: Element = ElementTree.fromstring(_unpadded(packet), forbid_dtd=True)
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # forbidden, or in no known encoding
        raise SoutuError(Reason.SIDECAR_UNREADABLE) from error
    rating, keywords = None, None
    for description in root.iter(f"{_RDF}Description"):
        rating = _rating(description) if rating is None else rating
        keywords = _keywords(description) if keywords is None else keywords
    return Annotations(rating, keywords)


def read_embedded(packet: bytes) -> Annotations:
    """As read_xmp; nothing for a packet that cannot be read, as it is an aside of the picture."""
    try:
        return read_xmp(packet) if packet else NO_ANNOTATIONS
    except SoutuError:
        return NO_ANNOTATIONS


def _unpadded(packet: bytes) -> bytes:
    """Without the NULs that some put behind a packet; in UTF-16 they are half of every letter."""
    return packet if packet[:2] in (b"\xff\xfe", b"\xfe\xff") else packet.rstrip(b"\0")


def _rating(description: "Element") -> int | None:
    text = description.get(_RATING) or description.findtext(_RATING) or ""
    try:
        return min(_HIGHEST, max(0, round(float(text))))
    except (ValueError, OverflowError):
        return None


def _keywords(description: "Element") -> tuple[str, ...] | None:
    subject = description.find(_SUBJECT)
    if subject is None:
        return None
    return tuple(dict.fromkeys(_texts(subject)))[:_KEYWORDS]


def _texts(subject: "Element") -> Iterator[str]:
    for item in subject.iter(f"{_RDF}li"):
        printable = "".join(each for each in item.text or "" if each.isprintable())
        if text := printable.strip()[:_KEYWORD_CHARACTERS]:
            yield text

"""What lies beside a picture: the XMP file in which a program keeps rating and keywords.

A sidecar is taken over when its contents have changed since they were taken over last. So what users set
through the API stays until somebody changes the sidecar, and touching a file changes nothing.
"""

import hashlib
from dataclasses import dataclass

from soutu.domain.errors import Reason, SoutuError
from soutu.domain.image import NO_ANNOTATIONS, Annotations, Image
from soutu.domain.writing import Failure
from soutu.imaging.xmp import PACKET_LIMIT_BYTES, read_xmp
from soutu.ingest.plan import same_sidecar
from soutu.ingest.sources import Item, Source

_DIGEST = 16


@dataclass(frozen=True, slots=True)
class Beside:
    """The state of a sidecar, what it says that is new, and why it says nothing where it cannot be read."""

    stamp: str = ""
    annotations: Annotations = NO_ANNOTATIONS
    fault: Failure | None = None


def beside_of(source: Source, item: Item, before: Image | str) -> Beside:
    """What the item's sidecar says that its image, where there is one, does not have yet. Blocks."""
    taken_over = before.original.sidecar if isinstance(before, Image) else ""
    if item.sidecar is None or same_sidecar(item, taken_over):
        return Beside(taken_over if item.sidecar else "")
    try:
        packet = source.read_sidecar(item.sidecar, PACKET_LIMIT_BYTES)
    except SoutuError as error:
        return Beside(f"{item.sidecar_stamp}-unread", fault=_fault(item, error.message))
    digest = hashlib.sha256(packet).hexdigest()[:_DIGEST]
    stamp = f"{item.sidecar_stamp}-{digest}"
    if taken_over.rpartition("-")[2] == digest:
        return Beside(stamp)
    try:
        return Beside(stamp, read_xmp(packet))
    except SoutuError as error:
        return Beside(stamp, fault=_fault(item, error.message))


def _fault(item: Item, message: str) -> Failure:
    return Failure(item.path, Reason.SIDECAR_UNREADABLE.name, message)

"""Backups: the moment that one shows, and what vouches for it."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A copy of the catalogue: everything acknowledged before `moment` is in it. `schema` is the version of
    its tables; `sha256` is of the copy's file."""

    moment: datetime
    schema: str
    collection_count: int
    image_count: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What makes a directory a backup: written last, so that half a backup has none.

    `catalog` is the name of the snapshot's file beside it. `lost` are contents whose bytes the deployment
    itself no longer had, or no longer as they were.
    """

    version: str
    snapshot: Snapshot
    catalog: str
    content_count: int
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Restored:
    """What a backup has brought back."""

    snapshot: Snapshot
    content_count: int
    lost_count: int

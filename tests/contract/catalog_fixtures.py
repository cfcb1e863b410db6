"""What the catalogue's tests are written with: a clock that they move, and writes in one line."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from soutu.adapters.catalog import SqlCatalog
from soutu.domain.collection import CollectionDraft
from soutu.domain.embedding import Vector, rounded
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.image import Content, Exif, Image, Keeping, Metadata, Original
from soutu.domain.model import ModelRef
from soutu.domain.writing import Commit, Put, Written
from soutu.ports.catalog import CaughtUp

MODEL = ModelRef("descriptor", "1")
DRAFT = CollectionDraft("pictures", MODEL, 4)


class MovableClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self._now = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._now.timestamp()

    def move(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


def url_of(directory: Path) -> str:
    return f"sqlite+aiosqlite:///{directory}/catalog.db"


async def opened(directory: Path) -> SqlCatalog:
    return await SqlCatalog.open(url_of(directory), MovableClock())


def vector(seed: int = 0) -> Vector:
    values = np.random.default_rng(seed).standard_normal(4).astype(np.float32)
    return rounded(values / np.linalg.norm(values))


def content(name: str) -> Content:
    exif = Exif("Camera", "Lens", datetime(2020, 5, 6, 7, 8, 9, 123456, tzinfo=UTC))
    return Content(hashlib.sha256(name.encode()).hexdigest(), 1000, 640, 480, "image/jpeg", exif)


def put(image_id: str, of: str = "", **options: Any) -> Put:
    """A put of the content named `of` (by default after the id)."""
    fields: dict[str, Any] = {
        "content": content(of or image_id),
        "original": Original(Keeping.STORED),
        "metadata": Metadata(title=f"title of {image_id}"),
        "embeddings": {MODEL: vector()},
    }
    return Put(image_id, **(fields | options))


def at(revision: int) -> CaughtUp:
    """A generation that has followed up to this revision and no further."""

    async def caught_up(wanted: int) -> bool:
        return wanted <= revision

    return caught_up


def written(commit: Commit, position: int = 0) -> Written:
    outcome = commit.outcomes[position]
    assert isinstance(outcome, Written), outcome
    return outcome


def image_written(commit: Commit, position: int = 0) -> Image:
    image = written(commit, position).image
    assert image is not None
    return image


def reason(commit: Commit, position: int = 0) -> Reason:
    outcome = commit.outcomes[position]
    assert isinstance(outcome, SoutuError), outcome
    return outcome.reason

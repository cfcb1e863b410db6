"""Storing originals beside a sweep, and the sweep itself."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import cast

import pytest

from soutu.domain.image import Content
from soutu.domain.objects import THUMBNAIL_SIDES, content_key, thumbnail_key
from soutu.ingest.storing import Storing
from soutu.ingest.sweep import Sweep
from soutu.observe.clock import SystemClock
from soutu.ports import ImageCatalog, ObjectStore
from tests.unit.ingest.fakes import content


class Shelf:
    """An ObjectStore and the contents of a catalogue, noting in `story` what is done in what order."""

    def __init__(self, *, removing: int = 0, swept: Sequence[Sequence[str]] = ()) -> None:
        self.story: list[str] = []
        self._removing = removing
        self._swept = list(swept)

    async def hold_contents(self, given: Sequence[Content]) -> bool:
        self._removing -= 1
        self.story.append("refused" if self._removing >= 0 else "held")
        return self._removing < 0

    async def put(self, key: str, data: bytes) -> None:
        self.story.append(f"put {key}")

    async def delete(self, key: str) -> None:
        self.story.append(f"delete {key}")

    async def swept_contents(
        self, marked_before: datetime, limit: int, barred_before: datetime | None = None
    ) -> Sequence[str]:
        return self._swept.pop(0) if self._swept else []

    async def forget_contents(self, sha256s: Sequence[str]) -> None:
        self.story += [f"forget {sha256}" for sha256 in sha256s]

    async def prune(self, before: datetime) -> None:
        self.story.append("prune")


def storing(shelf: Shelf) -> Storing:
    return Storing(cast(ImageCatalog, shelf), cast(ObjectStore, shelf))


@pytest.mark.parametrize("removing", [0, 2])
async def test_a_content_is_held_before_it_is_stored_however_long_a_sweep_takes(removing: int) -> None:
    shelf, one = Shelf(removing=removing), content("one")
    await storing(shelf).store(one, b"bytes")
    assert shelf.story == ["refused"] * removing + ["held", f"put {content_key(one.sha256)}"]


async def test_a_sweep_removes_objects_first_and_forgets_then() -> None:
    one, other = content("one").sha256, content("other").sha256
    shelf = Shelf(swept=[[one], [other]])
    sweep = Sweep(cast(ImageCatalog, shelf), cast(ObjectStore, shelf), SystemClock(), 60, asyncio.Lock())
    assert await sweep.sweep() == 2
    assert shelf.story == [*_removed(one), *_removed(other), "prune"]


def _removed(sha256: str) -> list[str]:
    keys = [content_key(sha256), *(thumbnail_key(sha256, side) for side in THUMBNAIL_SIDES)]
    return [*(f"delete {key}" for key in keys), f"forget {sha256}"]

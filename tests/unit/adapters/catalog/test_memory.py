"""The rows remembered in this process are never older than the catalogue."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from soutu.adapters.catalog import SqlCatalog
from soutu.adapters.catalog.memory import RowMemory
from soutu.domain.image import Image, Keeping, Metadata, Original
from soutu.observe.clock import SystemClock
from tests.contract.catalog_fixtures import DRAFT, content, put, url_of

COLLECTION = 1
NOW = datetime(2024, 5, 6, tzinfo=UTC)


def remembered(*uids: int, limit: int = 10) -> RowMemory:
    memory = RowMemory(limit)
    with memory.reading() as reading:
        reading.rows = {uid: row(uid) for uid in uids}
    return memory


def row(uid: int) -> Image:
    original = Original(Keeping.STORED)
    return Image(uid, COLLECTION, f"i{uid}", uid, content("x"), original, Metadata(), NOW, NOW)


def test_what_was_read_is_known_in_its_collection_only() -> None:
    memory = remembered(1, 2)
    assert memory.known(COLLECTION, [1, 2, 3]) == {1: row(1), 2: row(2)}
    assert memory.known(COLLECTION + 1, [1, 2]) == {}


def test_what_has_changed_is_forgotten() -> None:
    memory = remembered(1, 2)
    memory.forget([1])
    assert set(memory.known(COLLECTION, [1, 2])) == {2}


def test_what_changed_while_it_was_read_is_not_kept() -> None:
    memory = remembered()
    with memory.reading() as reading:
        reading.rows = {1: row(1), 2: row(2)}
        memory.forget([2])
    assert set(memory.known(COLLECTION, [1, 2])) == {1}


def test_nothing_read_across_a_clearing_is_kept() -> None:
    memory = remembered(1)
    with memory.reading() as reading:
        reading.rows = {2: row(2)}
        memory.clear()
    assert memory.known(COLLECTION, [1, 2]) == {}


def test_the_rows_used_last_stay() -> None:
    memory = remembered(1, 2, 3, limit=2)
    assert set(memory.known(COLLECTION, [1, 2, 3])) == {2, 3}


def test_a_row_is_known_to_be_so_since_it_was_confirmed() -> None:
    memory = remembered(1, 2)
    memory.confirm([row(1)], 7)
    memory.confirm([row(1)], 5)
    assert set(memory.known(COLLECTION, [1, 2], 7)) == {1}
    assert memory.known(COLLECTION, [1, 2], 8) == {}


def test_what_is_not_remembered_or_older_than_what_was_seen_is_not_confirmed() -> None:
    memory = remembered(1)
    memory.confirm([replace(row(1), revision=9), row(2)], 9)
    with memory.reading() as reading:
        reading.rows = {2: row(2)}
    assert memory.known(COLLECTION, [1, 2], 1) == {}


@pytest.mark.parametrize("forget", [lambda memory: memory.forget([1]), RowMemory.clear])
def test_what_was_forgotten_is_to_be_confirmed_anew(forget: Callable[[RowMemory], None]) -> None:
    memory = remembered(1)
    memory.confirm([row(1)], 7)
    forget(memory)
    with memory.reading() as reading:
        reading.rows = {1: row(1)}
    assert set(memory.known(COLLECTION, [1])) == {1}
    assert memory.known(COLLECTION, [1], 7) == {}


async def test_a_catalogue_forgets_rows_when_it_is_told_to(tmp_path: Path) -> None:
    catalog = await SqlCatalog.open(url_of(tmp_path), SystemClock())
    collection = await catalog.create_collection(DRAFT)
    await catalog.commit(collection.uid, [put("a")])
    await catalog.warm()
    uids = [uid for uid, _ in await catalog.revisions(collection.uid, 0, 9)]
    memory = catalog._database.memory
    assert set(memory.known(collection.uid, uids)) == set(uids) != set()
    catalog.forget_rows()
    assert memory.known(collection.uid, uids) == {}
    await catalog.close()

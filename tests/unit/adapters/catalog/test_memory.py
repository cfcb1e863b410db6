"""The rows remembered in this process are never older than the catalogue."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from soutu.adapters.catalog import SqlCatalog
from soutu.adapters.catalog.memory import AsOf, RowMemory
from soutu.domain.image import Image, Keeping, Metadata, Original
from soutu.observe.clock import SystemClock
from tests.contract.catalog_fixtures import DRAFT, content, put, url_of

COLLECTION = 1
NOW = datetime(2024, 5, 6, tzinfo=UTC)
THEN, LATER = AsOf(3, NOW), AsOf(5, NOW)


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


def test_a_collection_begins_without_rows_also_without_those_that_are_being_read() -> None:
    memory = remembered(1)
    with memory.reading() as reading:
        reading.rows = {2: row(2), 3: replace(row(3), collection_uid=COLLECTION + 1)}
        memory.begin(COLLECTION, THEN)
    assert memory.known(COLLECTION, [1, 2]) == {}
    assert set(memory.known(COLLECTION + 1, [3])) == {3}
    assert (memory.as_of(COLLECTION), memory.as_of(COLLECTION + 1)) == (THEN, None)


def test_what_has_changed_since_is_forgotten_also_what_is_being_read() -> None:
    memory = RowMemory(10)
    memory.begin(COLLECTION, THEN)
    with memory.reading() as reading:
        reading.rows = {1: row(1), 2: row(2)}
    with memory.reading() as reading:
        reading.rows = {3: row(3), 4: row(4)}
        memory.catch_up(COLLECTION, [1, 3], LATER)
    assert set(memory.known(COLLECTION, [1, 2, 3, 4])) == {2, 4}
    memory.catch_up(COLLECTION, [], THEN)
    assert memory.as_of(COLLECTION) == LATER, "who asked first may hear last"


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

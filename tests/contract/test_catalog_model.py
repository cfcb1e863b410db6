"""Random writes against a dictionary: the catalogue and the simplest model of it always agree."""

import asyncio
from dataclasses import dataclass, field, replace
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from soutu.adapters.catalog import SqlCatalog
from soutu.domain.image import Keeping, Metadata, Origin, Original
from soutu.domain.writing import Move, OnConflict, OnDuplicate, Put, Remove, Revise, Write, Written
from tests.contract.catalog_fixtures import DRAFT, MODEL, MovableClock, put

_IDS = st.sampled_from(["a", "b", "c"])
_ORIGINS = st.sampled_from([None, Origin("s", "1"), Origin("s", "2")])
_PUTS = st.builds(
    put,
    _IDS,
    st.sampled_from(["x", "y"]),
    origin=_ORIGINS,
    on_conflict=st.sampled_from(OnConflict),
    on_duplicate=st.sampled_from(OnDuplicate),
    started_at=st.none() | st.integers(0, 12),
)
_REVISES = st.builds(Revise, _IDS, st.builds(Metadata, title=st.text(max_size=3)))
_REMOVES = st.builds(Remove, _IDS, allow_missing=st.booleans())
_PLACES = st.sampled_from([Origin("s", "1"), Origin("s", "2"), Origin("s", "3")])
_MOVES = st.builds(Move, _IDS, _PLACES, st.just(Original(Keeping.REFERENCED, "/elsewhere", 7)))
_BATCHES = st.lists(st.lists(_PUTS | _REVISES | _REMOVES | _MOVES, min_size=1, max_size=5), max_size=6)


@dataclass
class Model:
    """What a collection holds: id -> (content, title, origin, revision), and when what was deleted."""

    images: dict[str, tuple[str, str, Origin | None, int]] = field(default_factory=dict)
    deleted: dict[object, int] = field(default_factory=dict)
    revision: int = 0
    removals: int = 0

    def apply(self, write: Write) -> bool:
        match write:
            case Put():
                return self._put(write)
            case Revise():
                return self._revise(write)
            case Remove():
                return self._remove(write)
            case Move():
                return self._move(write)
            case _:
                raise AssertionError(write)

    def _put(self, put: Put) -> bool:
        sha256 = put.content.sha256
        gone = max(self.deleted.get(put.image_id, 0), self.deleted.get(put.origin, 0))
        if put.started_at is not None and gone > put.started_at:
            return False
        if put.image_id in self.images and put.on_conflict is OnConflict.FAIL:
            return False
        others = [kept for name, kept in self.images.items() if name != put.image_id]
        if put.origin and any(kept[2] == put.origin for kept in others):
            return False
        if put.on_duplicate is not OnDuplicate.CREATE and any(kept[0] == sha256 for kept in others):
            return put.on_duplicate is OnDuplicate.RETURN_EXISTING
        self.revision += 1
        self.images[put.image_id] = (sha256, put.metadata.title, put.origin, self.revision)
        return True

    def _revise(self, revise: Revise) -> bool:
        if revise.image_id not in self.images:
            return False
        self.revision += 1
        sha256, _, origin, _ = self.images[revise.image_id]
        self.images[revise.image_id] = (sha256, revise.metadata.title, origin, self.revision)
        return True

    def _move(self, move: Move) -> bool:
        others = [kept for name, kept in self.images.items() if name != move.image_id]
        if move.image_id not in self.images or any(kept[2] == move.origin for kept in others):
            return False
        self.revision += 1
        sha256, title, _, _ = self.images[move.image_id]
        self.images[move.image_id] = (sha256, title, move.origin, self.revision)
        return True

    def _remove(self, remove: Remove) -> bool:
        if remove.image_id not in self.images:
            return remove.allow_missing
        self.revision += 1
        self.removals += 1
        origin = self.images.pop(remove.image_id)[2]
        self.deleted |= {remove.image_id: self.revision} | ({origin: self.revision} if origin else {})
        return True


def test_the_catalogue_agrees_with_a_dictionary(catalog_url: str) -> None:
    with asyncio.Runner() as runner:
        catalog = runner.run(SqlCatalog.open(catalog_url, MovableClock()))
        numbers = count()

        @settings(max_examples=80, deadline=None)
        @given(_BATCHES)
        def agrees(batches: list[list[Write]]) -> None:
            runner.run(_compare(catalog, f"c{next(numbers)}", batches))

        try:
            agrees()
        finally:
            runner.run(catalog.close())


async def _compare(catalog: SqlCatalog, collection_id: str, batches: list[list[Write]]) -> None:
    model = Model()
    uid = (await catalog.create_collection(replace(DRAFT, id=collection_id))).uid
    for batch in batches:
        commit = await catalog.commit(uid, batch)
        expected = [model.apply(write) for write in batch]
        assert [isinstance(outcome, Written) for outcome in commit.outcomes] == expected, commit
        assert commit.revision == model.revision
    images = await catalog.list_images(uid, "", 99)
    assert {
        image.id: (image.content.sha256, image.metadata.title, image.origin, image.revision)
        for image in images
    } == model.images
    changes = await catalog.changes(uid, MODEL, 0, 99)
    assert {change.image.id for change in changes if change.image} == set(model.images)
    assert sum(change.image is None for change in changes) == model.removals
    assert (await catalog.head(collection_id)).collection.image_count == len(model.images)

"""Collections and generations."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    Select,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from soutu.adapters.catalog.engine import Database
from soutu.adapters.catalog.generations import insert_generation
from soutu.adapters.catalog.part import CatalogPart
from soutu.adapters.catalog.rows import collection_of, generation_of, label_sets_value
from soutu.adapters.catalog.tables import collections, generations, leads
from soutu.domain.collection import (
    Collection,
    CollectionDraft,
    GenerationDraft,
    GenerationState,
    Head,
)
from soutu.domain.errors import Reason, SoutuError
from soutu.ports import Clock

_FIRST_GENERATION = "g1"
_REMEMBERED = 1_000
_COLLECTION = [column.label(f"c_{column.name}") for column in collections.c]
_GENERATION = [column.label(f"g_{column.name}") for column in generations.c]


def _heads(chosen: ColumnElement[bool]) -> Select[Any]:
    """A collection with the generation that is chosen of its own. Made once: every search asks for one."""
    return (
        select(*_COLLECTION, *_GENERATION)
        .select_from(collections)
        .outerjoin(generations, and_(generations.c.collection_uid == collections.c.uid, chosen))
        .where(collections.c.id == bindparam("collection"))
    )


_ACTIVE = _heads(generations.c.uid == collections.c.active_generation)
_NAMED = _heads(generations.c.id == bindparam("generation"))


class SqlCollections(CatalogPart):
    """Keeps the collection part of the Catalog port.

    Heads are remembered: until the next write, or, where other processes write, until `joined` has seen that
    they hold no more.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, clock)
        self._heads: dict[tuple[str, str], tuple[int, Head]] = {}

    async def recent_head(self, collection_id: str, generation_id: str = "") -> Head:
        """As `head`, or as it was seen last: `joined` tells whether it still holds."""
        if self._database.shared and (known := self._heads.get((collection_id, generation_id))):
            return known[1]
        return await self.head(collection_id, generation_id)

    async def create_collection(self, draft: CollectionDraft) -> Collection:
        """The new, empty collection with its first generation "g1", READY; COLLECTION_EXISTS."""
        now = self._clock.now()

        async def create(connection: AsyncConnection) -> Collection:
            collection = await _insert_collection(connection, draft, now)
            first = GenerationDraft(_FIRST_GENERATION, draft.model, draft.dimension, draft.index)
            generation = await insert_generation(
                connection, collection.uid, first.id, first, GenerationState.READY, now
            )
            own = collections.c.uid == collection.uid
            await connection.execute(update(collections).where(own).values(active_generation=generation))
            return replace(collection, active_generation=generation)

        return await self._database.write(create)

    async def head(self, collection_id: str, generation_id: str = "") -> Head:
        """The collection with its active or the named generation: COLLECTION_NOT_FOUND,
        GENERATION_NOT_FOUND."""
        written, known = self._heads.get((collection_id, generation_id), (-1, None))
        if known is not None and written == self._database.written and not self._database.shared:
            return known
        written = self._database.written
        try:
            head = await self._read_head(collection_id, generation_id)
        except SoutuError as error:
            if error.reason is not Reason.CATALOG_UNAVAILABLE:
                self._heads.pop((collection_id, generation_id), None)
            raise
        if len(self._heads) >= _REMEMBERED:
            self._heads.clear()
        self._heads[collection_id, generation_id] = (written, head)
        return head

    def _see(self, head: Head) -> None:
        """Remembers the head as it is now, where it is remembered as it was."""
        for generation_id in ("", head.generation.id):
            key = (head.collection.id, generation_id)
            written, known = self._heads.get(key, (0, None))
            if known is not None and known.generation.uid == head.generation.uid:
                self._heads[key] = (written, head)

    async def _read_head(self, collection_id: str, generation_id: str) -> Head:
        statement = _NAMED if generation_id else _ACTIVE
        bound = {"collection": collection_id, **({"generation": generation_id} if generation_id else {})}
        names = statement.selected_columns.keys()
        rows = await self._database.short_rows(statement, bound)
        return _head_of([dict(zip(names, row, strict=True)) for row in rows])

    async def collections(self, after_id: str, limit: int) -> Sequence[Collection]:
        """Up to `limit` collections with id > `after_id`, by id."""
        statement = (
            select(collections).where(collections.c.id > after_id).order_by(collections.c.id).limit(limit)
        )
        return [collection_of(row) for row in await self._database.mappings(statement)]


async def live_revision(connection: AsyncConnection, uid: int) -> int:
    """The collection's revision, its row locked until the transaction ends; COLLECTION_NOT_FOUND.

    Whoever changes a collection's images asks this first, so that revisions become visible in order.
    """
    statement = (
        select(collections.c.revision)
        .where(collections.c.uid == uid, collections.c.id.is_not(None))
        .with_for_update()
    )
    revision = (await connection.execute(statement)).scalar_one_or_none()
    if revision is None:
        raise SoutuError(Reason.COLLECTION_NOT_FOUND)
    return int(revision)


async def move_revision(connection: AsyncConnection, uid: int, revision: int, more_images: int) -> None:
    """Sets the collection's revision and adds to its count of images."""
    await connection.execute(
        update(collections)
        .where(collections.c.uid == uid)
        .values(revision=revision, image_count=collections.c.image_count + more_images)
    )


async def retire(connection: AsyncConnection, uid: int) -> None:
    """Frees the collection's id; from here on it is not found."""
    await connection.execute(update(collections).where(collections.c.uid == uid).values(id=None))
    own = select(generations.c.uid).where(generations.c.collection_uid == uid)
    await connection.execute(delete(leads).where(leads.c.generation_uid.in_(own)))
    await connection.execute(delete(generations).where(generations.c.collection_uid == uid))


def followed_by_all(collection_uid: ColumnElement[int]) -> ScalarSelect[int]:
    """A scalar subquery: the revision that every generation of the collection that did not fail has
    followed."""
    follows = generations.c.state != GenerationState.FAILED.value
    return (
        select(func.min(generations.c.followed))
        .where(generations.c.collection_uid == collection_uid, follows)
        .correlate_except(generations)
        .scalar_subquery()
    )


def _head_of(rows: Sequence[Mapping[str, Any]]) -> Head:
    if not rows:
        raise SoutuError(Reason.COLLECTION_NOT_FOUND)
    row = rows[0]
    if row["g_uid"] is None:
        raise SoutuError(Reason.GENERATION_NOT_FOUND)
    return Head(collection_of(_less_prefix(row, "c_")), generation_of(_less_prefix(row, "g_")))


def _less_prefix(row: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {name[len(prefix) :]: value for name, value in row.items() if name.startswith(prefix)}


async def _insert_collection(
    connection: AsyncConnection, draft: CollectionDraft, now: datetime
) -> Collection:
    values: dict[str, Any] = {
        "id": draft.id,
        "display_name": draft.display_name,
        "description": draft.description,
        "attributes": {name: kind.value for name, kind in draft.attributes.items()},
        "revision": 0,
        "active_generation": 0,
        "image_count": 0,
        "create_time": now,
        "update_time": now,
        "label_sets": label_sets_value(draft.label_sets),
    }
    try:
        inserted = await connection.execute(insert(collections).values(values))
    except IntegrityError as error:
        message = f"There is a collection {draft.id} already."
        raise SoutuError(Reason.COLLECTION_EXISTS, message, collection=draft.id) from error
    return collection_of({**values, "uid": inserted.lastrowid})

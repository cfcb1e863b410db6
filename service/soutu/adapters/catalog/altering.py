"""Changes of a collection's own fields and of its generations' place; numbers about its images."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from soutu.adapters.catalog.generations import insert_generation
from soutu.adapters.catalog.part import CatalogPart
from soutu.adapters.catalog.rows import collection_of, generation_of, label_sets_value
from soutu.adapters.catalog.switching import switched
from soutu.adapters.catalog.tables import collections, contents, generations, images, leads
from soutu.domain.collection import (
    Collection,
    CollectionChanges,
    CollectionStatistics,
    Generation,
    GenerationDraft,
    GenerationState,
)
from soutu.domain.errors import Reason, SoutuError, invalid_field
from soutu.ports.catalog import CaughtUp

_TICK = timedelta(microseconds=1)


class SqlAltering(CatalogPart):
    """Keeps the altering part of the Catalog port."""

    async def update_collection(self, uid: int, changes: CollectionChanges, etag: str = "") -> Collection:
        """The collection with the changes made: ETAG_MISMATCH; FIELD_INVALID where an attribute would get
        another type; COLLECTION_NOT_FOUND."""
        now = self._clock.now()

        async def change(connection: AsyncConnection) -> Collection:
            before = await _locked(connection, uid)
            if etag and etag != before.etag:
                raise SoutuError(Reason.ETAG_MISMATCH)
            values = _values(before, changes, now)
            if values:
                await connection.execute(update(collections).where(collections.c.uid == uid).values(**values))
            return await _locked(connection, uid)

        return await self._database.write(change)

    async def create_replacement(self, old: Generation, generation_id: str) -> Generation:
        """A generation like `old`, BUILDING, to take its place: the one with this id that is there
        already, or a new one. COLLECTION_NOT_FOUND."""
        now = self._clock.now()
        draft = GenerationDraft(generation_id, old.model, old.dimension, old.index)

        async def create(connection: AsyncConnection) -> Generation:
            uid = (await _locked(connection, old.collection_uid)).uid
            own = generations.c.collection_uid == uid, generations.c.id == generation_id
            if (await connection.execute(select(generations).where(*own))).first() is None:
                await insert_generation(connection, uid, draft.id, draft, GenerationState.BUILDING, now)
            row = (await connection.execute(select(generations).where(*own))).mappings().one()
            return generation_of({str(name): value for name, value in row.items()})

        return await self._database.write(create)

    async def set_candidates(self, generation_uid: int, candidates: int) -> None:
        """Sets the candidate-list size of searches that give none."""

        async def change(connection: AsyncConnection) -> None:
            own = generations.c.uid == generation_uid
            await connection.execute(update(generations).where(own).values(index_candidates=candidates))

        await self._database.write(change)

    async def replace_generation(self, old: Generation, new: Generation, caught_up: CaughtUp) -> bool:
        """Puts `new` in the place of `old`: its id, its state, and whether it is the active one; `old` is
        forgotten. False, changing nothing, unless at a revision that `caught_up` says yes to;
        GENERATION_NOT_FOUND where one of them is gone, COLLECTION_NOT_FOUND."""

        async def swap(connection: AsyncConnection) -> None:
            await _swap(connection, old.uid, new.uid)

        return await switched(self._database, old.collection_uid, caught_up, swap)

    async def statistics(self, collection_uid: int) -> CollectionStatistics:
        """Numbers about the images that the collection holds now."""
        own = select(images.c.sha256).where(images.c.collection_uid == collection_uid)
        totals = select(
            func.count(),
            func.coalesce(func.sum(contents.c.size_bytes), 0),
            func.min(contents.c.exif_captured_at),
            func.max(contents.c.exif_captured_at),
        ).where(contents.c.sha256.in_(own))
        kinds = (
            select(contents.c.media_type, func.count())
            .join(images, images.c.sha256 == contents.c.sha256)
            .where(images.c.collection_uid == collection_uid)
            .group_by(contents.c.media_type)
        )
        media_types = {row[0]: row[1] for row in await self._database.rows(kinds)}
        ((count, size_bytes, earliest, latest),) = await self._database.rows(totals)
        return CollectionStatistics(
            sum(media_types.values()), count, int(size_bytes), media_types, earliest, latest
        )


async def _locked(connection: AsyncConnection, uid: int) -> Collection:
    statement = select(collections).where(collections.c.uid == uid, collections.c.id.is_not(None))
    row = (await connection.execute(statement.with_for_update())).mappings().first()
    if row is None:
        raise SoutuError(Reason.COLLECTION_NOT_FOUND)
    return collection_of({str(name): value for name, value in row.items()})


def _values(before: Collection, changes: CollectionChanges, now: datetime) -> Mapping[str, Any]:
    """The columns that change; `update_time`, which the etag is made of, with them and never to the same."""
    for name, kind in changes.attributes.items():
        if before.attributes.get(name, kind) is not kind:
            raise invalid_field(
                f"collection.attributes.{name}", f"is of type {before.attributes[name]}, which cannot change"
            )
    attributes = {**before.attributes, **changes.attributes}
    values: dict[str, Any] = {"attributes": {name: kind.value for name, kind in attributes.items()}}
    if changes.display_name is not None:
        values["display_name"] = changes.display_name
    if changes.description is not None:
        values["description"] = changes.description
    if changes.label_sets is not None:
        values["label_sets"] = label_sets_value(changes.label_sets)
    values["update_time"] = max(now, before.update_time + _TICK)
    return values


async def _swap(connection: AsyncConnection, old: int, new: int) -> None:
    rows = await connection.execute(select(generations).where(generations.c.uid.in_([old, new])))
    found = {row.uid: row for row in rows}
    if len(found) != 2:
        raise SoutuError(Reason.GENERATION_NOT_FOUND)
    former = found[old]
    await connection.execute(generations.delete().where(generations.c.uid == old))
    await connection.execute(leads.delete().where(leads.c.generation_uid == old))
    kept = {name: getattr(former, name) for name in ("id", "state", "create_time", "publish_time")}
    await connection.execute(update(generations).where(generations.c.uid == new).values(**kept))
    active = collections.c.uid == former.collection_uid, collections.c.active_generation == old
    await connection.execute(update(collections).where(*active).values(active_generation=new))

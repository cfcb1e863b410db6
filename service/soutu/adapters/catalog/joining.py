"""The join of a search: its candidates' rows and the head that it went by, as they are now."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Select,
    Table,
    and_,
    bindparam,
    select,
    union_all,
)

from soutu.adapters.catalog.collections import SqlCollections
from soutu.adapters.catalog.images import SqlImages, read_images
from soutu.adapters.catalog.memory import AsOf
from soutu.adapters.catalog.rows import IMAGE_COLUMNS, image_of
from soutu.adapters.catalog.tables import collections, contents, generations, images, tombstones
from soutu.domain.collection import Head
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.image import Image
from soutu.domain.query import Joined

_MOST_CHANGED = 5_000  # images that are caught up with; where there are more, all are read again
LONGEST = timedelta(hours=24)
"""For how long nobody may have asked: tombstones are pruned some time after that."""
_OWN = bindparam("collection", type_=BigInteger)
_HEAD = (
    collections.c.revision,
    collections.c.active_generation,
    collections.c.update_time,
    generations.c.state,
    generations.c.index_candidates,
)
_details = images.alias("details")
_ROW = tuple(_details.c[each.name] if each.table is images else each for each in IMAGE_COLUMNS)
_UID, _REVISION, _DETAILS = len(_HEAD), len(_HEAD) + 1, len(_HEAD) + 2


def _with_head(*columns: Any, source: Any) -> Select[Any]:
    uid = bindparam("generation", type_=BigInteger)
    return (
        select(*_HEAD, *columns)
        .select_from(source)
        .where(collections.c.uid == _OWN, collections.c.id.is_not(None), generations.c.uid == uid)
    )


def _looked_up(name: str, collection: ColumnElement[int]) -> ColumnElement[bool]:
    """The images whose uids are bound under this name. The sum keeps planners from walking the whole
    collection instead of looking the uids up."""
    uids: BindParameter[Any] = bindparam(name, expanding=True)
    return and_(images.c.uid.in_(uids), images.c.collection_uid + 0 == collection)


_HEADS = collections.join(generations, generations.c.collection_uid == collections.c.uid)
_ALONE = _with_head(source=_HEADS)
# One row for each image, at least one while the collection and the generation are there; those that are not
# `unread` come without their details.
_READ = _with_head(
    images.c.uid,
    images.c.revision,
    *_ROW,
    source=_HEADS.outerjoin(images, _looked_up("uids", collections.c.uid))
    .outerjoin(
        _details,
        and_(_details.c.uid == images.c.uid, _details.c.uid.in_(bindparam("unread", expanding=True))),
    )
    .outerjoin(contents, contents.c.sha256 == _details.c.sha256),
)


def _changed_in(table: Table) -> Select[Any]:
    newer = table.c.collection_uid == _OWN, table.c.revision > bindparam("after")
    return select(select(table.c.uid).where(*newer).limit(bindparam("at_most")).subquery())


_CHANGED = select(union_all(_changed_in(images), _changed_in(tombstones)).subquery())


class SqlJoining(SqlCollections, SqlImages):
    """Keeps the joining part of the Catalog port. Where other processes write to the database, each search
    asks whether the collection is still at the revision as of which its rows are remembered; if not, those
    that have changed or gone since are forgotten."""

    def tells_ahead(self) -> bool:
        """Where other processes write and the memory is not full: it then has most of what there is."""
        return self._database.shared and self._database.memory.room > 0

    async def joined(self, head: Head, uids: Sequence[int], told: Joined | None = None) -> Joined:
        """The images among `uids` that exist now, or did when the catalogue `told` of the head, and what has
        become of that; COLLECTION_NOT_FOUND or GENERATION_NOT_FOUND once it is gone."""
        if self._database.shared:
            return await self._shared_join(head, uids, told)
        now = await self.head(head.collection.id)
        if now.generation.uid != head.generation.uid:
            now = await self.head(head.collection.id, head.generation.id)
        if now.collection.uid != head.collection.uid:
            raise SoutuError(Reason.COLLECTION_NOT_FOUND)
        found = await self.images(head.collection.uid, uids)
        return Joined(found, now.collection.revision, _terms(now) == _terms(head))

    async def _shared_join(self, head: Head, uids: Sequence[int], told: Joined | None) -> Joined:
        known = self._remembered(head, uids)
        if told is None and len(known) == len(uids):
            told = await self._now(head)
            known = self._remembered(head, uids)
        if told and len(known) == len(uids):
            return replace(told, images=known)
        return await self._read(head, uids, known)

    def _remembered(self, head: Head, uids: Sequence[int]) -> Mapping[int, Image]:
        return self._database.memory.known(head.collection.uid, uids)

    async def _now(self, head: Head) -> Joined:
        """What has become of the head. The rows that stay remembered are as they were then, or later."""
        own, memory = head.collection.uid, self._database.memory
        before, asked_time = memory.as_of(own), self._clock.now()
        (row,) = await self._asked(_ALONE, head)
        now = AsOf(row[0], asked_time)
        if before and before.revision > now.revision:  # it has gone back
            memory.begin(own, now)
        else:
            await self._catch_up(own, now)
        return self._told(head, row, {})

    async def _catch_up(self, collection_uid: int, now: AsOf) -> None:
        memory = self._database.memory
        before = memory.as_of(collection_uid)  # others may have caught up meanwhile
        if before is None or now.asked_time > before.asked_time + LONGEST:
            memory.begin(collection_uid, now)
            return
        changed = list[int]()
        if before.revision < now.revision:
            bound = {"collection": collection_uid, "after": before.revision, "at_most": _MOST_CHANGED}
            changed = [uid for (uid,) in await self._database.short_rows(_CHANGED, bound)]
        if len(changed) < _MOST_CHANGED:
            memory.catch_up(collection_uid, changed, now)
        else:
            memory.begin(collection_uid, now)

    async def _read(self, head: Head, uids: Sequence[int], known: Mapping[int, Image]) -> Joined:
        """The images, those that are not known with all that there is of them."""
        unread = [each for each in uids if each not in known]
        with self._database.memory.reading() as reading:
            rows = await self._asked(_READ, head, uids=uids, unread=unread)
            reading.rows = {row[_UID]: image_of(row[_DETAILS:]) for row in rows if row[_DETAILS] is not None}
        there = {row[_UID]: row[_REVISION] for row in rows if row[_UID]}
        found = {uid: known[uid] for uid in there if uid in known} | dict(reading.rows)
        if changed := [uid for uid, revision in there.items() if found[uid].revision != revision]:
            found = {uid: image for uid, image in found.items() if uid not in changed}
            found |= await read_images(self._database, head.collection.uid, changed)
        return self._told(head, rows[0], found)

    async def _asked(
        self, statement: Select[Any], head: Head, **uids: Sequence[int]
    ) -> Sequence[Sequence[Any]]:
        bound = {"collection": head.collection.uid, "generation": head.generation.uid, **uids}
        if rows := await self._database.short_rows(statement, bound):
            return rows
        raise SoutuError(Reason.COLLECTION_NOT_FOUND)

    def _told(self, head: Head, row: Sequence[Any], found: Mapping[int, Image]) -> Joined:
        """The images, with what a row tells of the head."""
        revision, *terms = row[: len(_HEAD)]
        holds = tuple(terms) == _terms(head)
        if holds and revision != head.collection.revision:
            self._see(replace(head, collection=replace(head.collection, revision=revision)))
        return Joined(found, revision, holds)


def _terms(head: Head) -> tuple[object, ...]:
    """What a search goes by, in the order of _HEAD."""
    collection, generation = head.collection, head.generation
    return (
        collection.active_generation,
        collection.update_time,
        generation.state.value,
        generation.index.candidates,
    )

"""The join of a search: its candidates' rows and the head that it went by, as they are now."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import BigInteger, BindParameter, ColumnElement, Select, and_, bindparam, func, select, true

from soutu.adapters.catalog.collections import SqlCollections
from soutu.adapters.catalog.images import SqlImages, read_images
from soutu.adapters.catalog.rows import IMAGE_COLUMNS, image_of
from soutu.adapters.catalog.tables import collections, contents, generations, images
from soutu.domain.collection import Head
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.image import Image
from soutu.domain.query import Joined

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
# How many of the images there are, and the sum of their revisions. Revisions of an image only grow, so where
# both are as they were, none has gone and none has changed.
_COUNTED = (
    select(func.count().label("images"), func.sum(images.c.revision).label("revisions"))
    .where(_looked_up("uids", _OWN))
    .subquery()
)
_CONFIRMED = _with_head(_COUNTED.c.images, _COUNTED.c.revisions, source=_HEADS.join(_COUNTED, true()))
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


class SqlJoining(SqlCollections, SqlImages):
    """Keeps the joining part of the Catalog port. Where other processes write to the database, rows that are
    remembered are confirmed by their revisions, in the one statement that a search asks anyway."""

    def tells_ahead(self, head: Head) -> bool:
        """Only where a join asks the database at all, and while nothing is written to the collection."""
        return self._database.shared and self._database.memory.is_settled(head.collection.uid)

    async def joined(self, head: Head, uids: Sequence[int], told: Joined | None = None) -> Joined:
        """The images among `uids` that exist now, or did when the catalogue `told` of the head, and what has
        become of that; COLLECTION_NOT_FOUND or GENERATION_NOT_FOUND once it is gone."""
        if self._database.shared:
            return self._remembered(head, uids, told) or await self._shared_join(head, uids)
        now = await self.head(head.collection.id)
        if now.generation.uid != head.generation.uid:
            now = await self.head(head.collection.id, head.generation.id)
        if now.collection.uid != head.collection.uid:
            raise SoutuError(Reason.COLLECTION_NOT_FOUND)
        found = await self.images(head.collection.uid, uids)
        return Joined(found, now.collection.revision, _terms(now) == _terms(head))

    def _remembered(self, head: Head, uids: Sequence[int], told: Joined | None) -> Joined | None:
        """What was told of the head with the images, where all are known to be so at that revision."""
        if told is None:
            return None
        known = self._database.memory.known(head.collection.uid, uids, told.revision)
        return replace(told, images=known) if len(known) == len(uids) else None

    async def _shared_join(self, head: Head, uids: Sequence[int]) -> Joined:
        if not uids:
            (row,) = await self._asked(_ALONE, head)
            return self._told(head, row, (), {})
        known = self._database.memory.known(head.collection.uid, uids)
        if len(known) < len(uids):
            return await self._read(head, uids, known)
        return await self._confirmed(head, uids, known) or await self._read(head, uids, {})

    async def _confirmed(self, head: Head, uids: Sequence[int], known: Mapping[int, Image]) -> Joined | None:
        """What is known of the images, unless one of them has changed."""
        (row,) = await self._asked(_CONFIRMED, head, uids=uids)
        count, revisions = row[len(_HEAD) :]
        if count == len(known) and int(revisions or 0) == sum(each.revision for each in known.values()):
            return self._told(head, row, uids, known)
        self._database.memory.forget(uids)
        return None

    async def _read(self, head: Head, uids: Sequence[int], known: Mapping[int, Image]) -> Joined:
        """The images, those that are not known with all that there is of them."""
        unread = [each for each in uids if each not in known]
        with self._database.memory.reading() as reading:
            rows = await self._asked(_READ, head, uids=uids, unread=unread)
            reading.rows = {row[_UID]: image_of(row[_DETAILS:]) for row in rows if row[_DETAILS] is not None}
        there = {row[_UID]: row[_REVISION] for row in rows if row[_UID]}
        found = {uid: known[uid] for uid in there if uid in known} | dict(reading.rows)
        if changed := [uid for uid, revision in there.items() if found[uid].revision != revision]:
            found |= await read_images(self._database, head.collection.uid, changed)
        return self._told(head, rows[0], uids, found)

    async def _asked(
        self, statement: Select[Any], head: Head, **uids: Sequence[int]
    ) -> Sequence[Sequence[Any]]:
        bound = {"collection": head.collection.uid, "generation": head.generation.uid, **uids}
        if rows := await self._database.short_rows(statement, bound):
            return rows
        raise SoutuError(Reason.COLLECTION_NOT_FOUND)

    def _told(
        self, head: Head, row: Sequence[Any], uids: Sequence[int], found: Mapping[int, Image]
    ) -> Joined:
        """The images that were found of these uids, with what a row tells of the head."""
        revision, *terms = row[: len(_HEAD)]
        if uids:
            memory, own = self._database.memory, head.collection.uid
            memory.settle(own, settled=len(memory.known(own, uids, revision)) == len(uids))
            memory.confirm(found.values(), revision)
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

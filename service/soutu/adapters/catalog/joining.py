"""The join of a search: its candidates' rows and the head that it went by, as they are now."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import BigInteger, Select, and_, bindparam, select

from soutu.adapters.catalog.collections import SqlCollections
from soutu.adapters.catalog.images import SqlImages, read_images
from soutu.adapters.catalog.rows import IMAGE_COLUMNS, image_of
from soutu.adapters.catalog.tables import collections, contents, generations, images
from soutu.domain.collection import Head
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.image import Image
from soutu.domain.query import Joined

_HEAD = (
    collections.c.revision,
    collections.c.active_generation,
    collections.c.update_time,
    generations.c.state,
    generations.c.index_candidates,
)
_NONE = (0,)  # no image has this uid
_details = images.alias("details")
_ROW = tuple(_details.c[each.name] if each.table is images else each for each in IMAGE_COLUMNS)
_REVISION = len(_HEAD) + 1
_DETAILS = len(_HEAD) + 2


def _joined(*columns: Any, source: Any) -> Select[Any]:
    own, uid = bindparam("collection", type_=BigInteger), bindparam("generation", type_=BigInteger)
    return (
        select(*_HEAD, images.c.uid, images.c.revision, *columns)
        .select_from(source)
        .where(collections.c.uid == own, collections.c.id.is_not(None), generations.c.uid == uid)
    )


# One row for each image, at least one while the collection and the generation are there. The sum keeps
# planners from walking the whole collection instead of looking the uids up.
_CANDIDATES = collections.join(generations, generations.c.collection_uid == collections.c.uid).outerjoin(
    images,
    and_(
        images.c.uid.in_(bindparam("uids", expanding=True)),
        images.c.collection_uid + 0 == collections.c.uid,
    ),
)
_CONFIRMED = _joined(source=_CANDIDATES)
_READ = _joined(
    *_ROW,
    source=_CANDIDATES.outerjoin(
        _details,
        and_(_details.c.uid == images.c.uid, _details.c.uid.in_(bindparam("unread", expanding=True))),
    ).outerjoin(contents, contents.c.sha256 == _details.c.sha256),
)


class SqlJoining(SqlCollections, SqlImages):
    """Keeps the joining part of the Catalog port. Where other processes write to the database, a row that is
    remembered is confirmed by its revision, in the statement that reads the others."""

    async def joined(self, head: Head, uids: Sequence[int]) -> Joined:
        """The images among `uids` that exist now, and what has become of the head; COLLECTION_NOT_FOUND or
        GENERATION_NOT_FOUND once that is gone."""
        if self._database.shared:
            return await self._confirmed(head, uids)
        now = await self.head(head.collection.id)
        if now.generation.uid != head.generation.uid:
            now = await self.head(head.collection.id, head.generation.id)
        if now.collection.uid != head.collection.uid:
            raise SoutuError(Reason.COLLECTION_NOT_FOUND)
        found = await self.images(head.collection.uid, uids)
        return Joined(found, now.collection.revision, _terms(now) == _terms(head))

    async def _confirmed(self, head: Head, uids: Sequence[int]) -> Joined:
        uid = head.collection.uid
        known = self._database.memory.known(uid, uids)
        unread = [each for each in uids if each not in known]
        bound = {
            "collection": uid,
            "generation": head.generation.uid,
            "uids": uids or _NONE,
            "unread": unread,
        }
        with self._database.memory.reading() as reading:
            rows = await self._database.short_rows(_READ if unread else _CONFIRMED, bound)
            if not rows:
                raise SoutuError(Reason.COLLECTION_NOT_FOUND)
            reading.rows = {row[_REVISION - 1]: image_of(row[_DETAILS:]) for row in rows if _has_details(row)}
        found: dict[int, Image] = {**reading.rows}
        revisions = {row[_REVISION - 1]: row[_REVISION] for row in rows if row[_REVISION]}
        found |= {each: image for each, image in known.items() if revisions.get(each) == image.revision}
        if changed := [each for each in revisions if each not in found]:
            found |= await read_images(self._database, uid, changed)
        revision, *terms = rows[0][: len(_HEAD)]
        holds = tuple(terms) == _terms(head)
        if holds:
            self._see(replace(head, collection=replace(head.collection, revision=revision)))
        return Joined(found, revision, holds)


def _has_details(row: Sequence[Any]) -> bool:
    return len(row) > _DETAILS and row[_DETAILS] is not None


def _terms(head: Head) -> tuple[object, ...]:
    """What a search goes by, in the order of _HEAD."""
    collection, generation = head.collection, head.generation
    return (
        collection.active_generation,
        collection.update_time,
        generation.state.value,
        generation.index.candidates,
    )

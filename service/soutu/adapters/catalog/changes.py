"""What an index must take over: rows and tombstones after a revision, in its order."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, Table, and_, bindparam, literal, select, union_all

from soutu.adapters.catalog.part import CatalogPart
from soutu.adapters.catalog.rows import IMAGE_COLUMNS, chunks, image_of
from soutu.adapters.catalog.tables import contents, embeddings, images, tombstones
from soutu.domain.embedding import from_bytes
from soutu.domain.model import ModelRef
from soutu.domain.writing import Change

_CHUNK = 1000
_GONE_REVISION = 0  # of rows asked for by uid that are not there
_VECTOR = and_(embeddings.c.sha256 == images.c.sha256, embeddings.c.model == bindparam("model"))


def _after(table: Table, gone: bool) -> Select[Any]:
    """The first changes of one table. Limited by itself, so that no database sorts the whole union."""
    first = (
        select(table.c.uid, table.c.revision, literal(gone).label("gone"))
        .where(table.c.collection_uid == bindparam("collection"), table.c.revision > bindparam("after"))
        .order_by(table.c.revision)
        .limit(bindparam("at_most"))
        .subquery()
    )
    return select(first)


def _changes() -> Select[Any]:
    """One statement, because two could miss what is committed between them."""
    union = union_all(_after(images, False), _after(tombstones, True)).subquery()
    changed = select(union).order_by(union.c.revision).limit(bindparam("at_most")).subquery()
    return (
        select(changed.c.uid, changed.c.revision, changed.c.gone, embeddings.c.vector, *IMAGE_COLUMNS)
        .select_from(changed)
        .outerjoin(images, and_(images.c.uid == changed.c.uid, changed.c.gone.is_(False)))
        .outerjoin(contents, contents.c.sha256 == images.c.sha256)
        .outerjoin(embeddings, _VECTOR)
        .order_by(changed.c.revision)
    )


_CHANGES = _changes()
_ROWS = (
    select(images.c.uid, images.c.revision, literal(False), embeddings.c.vector, *IMAGE_COLUMNS)
    .select_from(images)
    .join(contents, contents.c.sha256 == images.c.sha256)
    .outerjoin(embeddings, _VECTOR)
    .where(
        images.c.uid.in_(bindparam("uids", expanding=True)),
        images.c.collection_uid + 0 == bindparam("collection"),  # see images.py
    )
)


class SqlChanges(CatalogPart):
    """Keeps the following part of the Catalog port."""

    async def changes(self, collection_uid: int, model: ModelRef, after: int, limit: int) -> Sequence[Change]:
        """Up to `limit` changes with revision > `after`, by revision, each row as it is now.

        All up to the last one's revision are there: a row changed several times shows once, at its newest.
        """
        bound = {"collection": collection_uid, "model": str(model), "after": after, "at_most": limit}
        return [_change(row) for row in await self._database.rows(_CHANGES, bound)]

    async def rows(self, collection_uid: int, model: ModelRef, uids: Sequence[int]) -> Sequence[Change]:
        """These rows as they are now, in the order asked; those that do not exist as gone (revision 0)."""
        found: dict[int, Change] = {}
        for some in chunks(uids, _CHUNK):
            bound = {"collection": collection_uid, "model": str(model), "uids": some}
            found |= {row[0]: _change(row) for row in await self._database.rows(_ROWS, bound)}
        return [found.get(uid) or Change(uid, _GONE_REVISION) for uid in uids]


def _change(row: tuple[Any, ...]) -> Change:
    uid, revision, gone, vector, *image = row
    if gone:
        return Change(uid, revision)
    return Change(uid, revision, image_of(image), None if vector is None else from_bytes(vector))

"""Reads of the write transaction: everything that a run of writes could meet."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import CompoundSelect, Select, Table, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from soutu.adapters.catalog.contents import locked_contents
from soutu.adapters.catalog.ledger import Deletions
from soutu.adapters.catalog.rows import chunks, hashed_id, image_of, origin_key, select_images
from soutu.adapters.catalog.tables import images, tombstones
from soutu.domain.image import Image
from soutu.domain.writing import Move, OnDuplicate, Put, Write

_CHUNK = 500


def _by(table: Table, column: str) -> ColumnElement[bool]:
    """Rows of the collection in which the column has one of the values bound for it."""
    wanted = table.c[column].in_(bindparam(f"{column}s", expanding=True))
    return (table.c.collection_uid == bindparam("collection")) & wanted


def _by_name(select_rows: Select[Any], table: Table) -> CompoundSelect[Any]:
    """Rows by id or by origin: a union, because SQLite walks the whole collection for an OR."""
    return select_rows.where(_by(table, "id")).union_all(select_rows.where(_by(table, "origin_key")))


_IMAGES = _by_name(select_images(), images)
_ALIKE = select_images().where(_by(images, "sha256"))
_TOMBSTONES = _by_name(select(tombstones.c.id, tombstones.c.origin_key, tombstones.c.revision), tombstones)


async def images_of(
    connection: AsyncConnection, collection_uid: int, run: Sequence[Write]
) -> Iterable[Image]:
    """The images that have an id or origin of the run, or a content where the put minds duplicates."""
    found: dict[int, Image] = {}
    for some in chunks(run, _CHUNK):
        rows = await connection.execute(_IMAGES, _names(collection_uid, some))
        found |= {row[0]: image_of(row) for row in rows}
    wary = {put.content.sha256 for put in _puts(run) if put.on_duplicate is not OnDuplicate.CREATE}
    for sha256s in chunks(sorted(wary), _CHUNK):
        rows = await connection.execute(_ALIKE, {"collection": collection_uid, "sha256s": sha256s})
        found |= {row[0]: image_of(row) for row in rows}
    return found.values()


async def deletions_of(connection: AsyncConnection, collection_uid: int, run: Sequence[Write]) -> Deletions:
    """The newest deletion of each id and origin whose put says when it started."""
    ids: dict[str, int] = {}
    origin_keys: dict[str, int] = {}
    for some in chunks([put for put in _puts(run) if put.started_at is not None], _CHUNK):
        names = _names(collection_uid, some)
        purged = {hashed_id(image_id): image_id for image_id in names["ids"]}
        names["ids"] = [*names["ids"], *purged]
        for row in await connection.execute(_TOMBSTONES, names):
            row_id = purged.get(row.id, row.id)
            ids[row_id] = max(row.revision, ids.get(row_id, 0))
            origin_keys[row.origin_key] = max(row.revision, origin_keys.get(row.origin_key, 0))
    return Deletions(ids, origin_keys)


async def lost_contents(connection: AsyncConnection, run: Sequence[Write]) -> set[str]:
    """Those contents that puts of the run rely upon and that are gone, or are being removed; the others are
    safe until the transaction ends."""
    held = {put.content.sha256 for put in _puts(run) if put.held}
    known = await locked_contents(connection, held)
    return {sha256 for sha256 in held if known.get(sha256, True)}


def _names(collection_uid: int, writes: Sequence[Write]) -> dict[str, Any]:
    keys = (origin_key(write.origin) for write in writes if isinstance(write, Put | Move))
    return {
        "collection": collection_uid,
        "ids": [write.image_id for write in writes],
        "origin_keys": [key for key in keys if key is not None],
    }


def _puts(writes: Iterable[Write]) -> Iterable[Put]:
    return (write for write in writes if isinstance(write, Put))

"""Writing what a ledger worked out."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from soutu.adapters.catalog.contents import keep_contents
from soutu.adapters.catalog.embeddings import add_embeddings
from soutu.adapters.catalog.ledger import Ledger
from soutu.adapters.catalog.rows import chunks, image_values, origin_key
from soutu.adapters.catalog.tables import images, tombstones
from soutu.domain.image import Image
from soutu.domain.writing import Put, Write

_CHUNK = 500
_INSERT = insert(images)
_FIXED = {"uid", "collection_uid", "id", "create_time"}
_UPDATE = (
    update(images)
    .where(images.c.uid == bindparam("own_uid"))
    .values({column: bindparam(column.name) for column in images.c if column.name not in _FIXED})
)


async def flush(
    connection: AsyncConnection, ledger: Ledger, in_force: Iterable[Write], before: int, now: datetime
) -> Mapping[int, int]:
    """Writes the run; answers the uids of its new images by their revisions, which are above `before`.

    Deletions first, then changes in their order, then new rows: so no key is taken before it is free.
    """
    puts = [write for write in in_force if isinstance(write, Put)]
    await keep_contents(connection, {put.content.sha256: put.content for put in puts}.values(), now)
    await add_embeddings(
        connection,
        ((put.content.sha256, model, vector) for put in puts for model, vector in put.embeddings.items()),
    )
    await _delete(connection, ledger.removed, now)
    if ledger.changed:
        await connection.execute(_UPDATE, [_update_values(image) for image in ledger.changed])
    return await _insert(connection, ledger.created, before)


async def _delete(connection: AsyncConnection, removed: Sequence[tuple[Image, int]], now: datetime) -> None:
    if not removed:
        return
    stones = [
        {
            "uid": image.uid,
            "collection_uid": image.collection_uid,
            "id": image.id,
            "origin_key": origin_key(image.origin),
            "revision": revision,
            "create_time": now,
            "sha256": image.content.sha256,
        }
        for image, revision in removed
    ]
    await connection.execute(insert(tombstones), stones)
    for some in chunks(removed, _CHUNK):
        await connection.execute(delete(images).where(images.c.uid.in_([image.uid for image, _ in some])))


async def _insert(connection: AsyncConnection, created: Sequence[Image], before: int) -> Mapping[int, int]:
    """The new uids by revision; those of a batch are read back, because not every database returns them."""
    if not created:
        return {}
    values = [_insert_values(image) for image in created]
    if len(created) == 1:
        return {created[0].revision: (await connection.execute(_INSERT, values[0])).lastrowid}
    await connection.execute(_INSERT, values)
    collection_uid = created[0].collection_uid
    own = images.c.collection_uid == collection_uid, images.c.revision > before
    rows = await connection.execute(select(images.c.revision, images.c.uid).where(*own))
    return {row[0]: row[1] for row in rows}


def _insert_values(image: Image) -> dict[str, Any]:
    values = image_values(image)
    del values["uid"]
    return values


def _update_values(image: Image) -> dict[str, Any]:
    values = {name: value for name, value in image_values(image).items() if name not in _FIXED}
    return {**values, "own_uid": image.uid}

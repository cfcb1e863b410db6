"""Reads of images: by name, by uid, in lists."""

from collections.abc import Mapping, Sequence

from sqlalchemy import BigInteger, BindParameter, ScalarSelect, bindparam, select

from soutu.adapters.catalog.engine import Database
from soutu.adapters.catalog.part import CatalogPart
from soutu.adapters.catalog.rows import KEEPINGS, chunks, image_of, origin_key, select_images
from soutu.adapters.catalog.tables import collections, contents, images
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.image import Image, KnownFile, Origin

_CHUNK = 1000


def _live(collection: BindParameter[int]) -> ScalarSelect[int]:
    """The collection's uid, or nothing from the moment of its deletion on."""
    return (
        select(collections.c.uid)
        .where(collections.c.uid == collection, collections.c.id.is_not(None))
        .scalar_subquery()
    )


# Made once: a search's join should cost its rows, not the making of its statement.
OWN = images.c.collection_uid == _live(bindparam("collection", type_=BigInteger))
# The sum keeps planners from walking the whole collection instead of looking the uids up.
_OWN_LOOKED_UP = images.c.collection_uid + 0 == _live(bindparam("collection", type_=BigInteger))
_BY_UID = select_images().where(images.c.uid.in_(bindparam("uids", expanding=True)), _OWN_LOOKED_UP)
_BY_ID = select_images().where(images.c.id == bindparam("id"), OWN)
_AFTER_ID = (
    select_images()
    .where(images.c.id > bindparam("after"), OWN)
    .order_by(images.c.id)
    .limit(bindparam("at_most"))
)
_UIDS_BY_ID = select(images.c.id, images.c.uid).where(images.c.id.in_(bindparam("ids", expanding=True)), OWN)
_BY_ORIGIN = select_images().where(images.c.origin_key.in_(bindparam("keys", expanding=True)), OWN)
_FILES = (
    select(
        images.c.uid,
        images.c.id,
        images.c.revision,
        images.c.origin_path,
        contents.c.size_bytes,
        images.c.original_mtime_ns,
        images.c.sha256,
        images.c.keeping,
        images.c.sidecar,
    )
    .join(contents, contents.c.sha256 == images.c.sha256)
    .where(images.c.uid > bindparam("after"), images.c.origin_source == bindparam("source"), OWN)
    .order_by(images.c.uid)
    .limit(bindparam("at_most"))
)
_REVISIONS = (
    select(images.c.uid, images.c.revision)
    .where(images.c.uid > bindparam("after"), OWN)
    .order_by(images.c.uid)
    .limit(bindparam("at_most"))
)


async def read_images(database: Database, collection_uid: int, uids: Sequence[int]) -> dict[int, Image]:
    """The images among `uids` that exist now, remembered from here on."""
    found: dict[int, Image] = {}
    with database.memory.reading() as reading:
        for some in chunks(uids, _CHUNK):
            rows = await database.short_rows(_BY_UID, {"collection": collection_uid, "uids": some})
            found |= {row[0]: image_of(row) for row in rows}
        reading.rows = found
    return found


class SqlImages(CatalogPart):
    """Keeps the reading part of the Catalog port. A deleted collection has no images from its deletion on."""

    async def image(self, collection_uid: int, image_id: str) -> Image:
        """The image with this id; IMAGE_NOT_FOUND."""
        rows = await self._database.rows(_BY_ID, {"collection": collection_uid, "id": image_id})
        if not rows:
            raise SoutuError(
                Reason.IMAGE_NOT_FOUND, f"The collection has no image {image_id}.", image=image_id
            )
        return image_of(rows[0])

    async def images(self, collection_uid: int, uids: Sequence[int]) -> Mapping[int, Image]:
        """The images among `uids` that exist now, in one read (of up to 1,000)."""
        shared = self._database.shared
        found = {} if shared else self._database.memory.known(collection_uid, uids)
        missing = [uid for uid in uids if uid not in found]
        if missing:
            found |= await read_images(self._database, collection_uid, missing)
        return found

    async def list_images(self, collection_uid: int, after_id: str, limit: int) -> Sequence[Image]:
        """Up to `limit` images with id > `after_id`, by id."""
        bound = {"collection": collection_uid, "after": after_id, "at_most": limit}
        return [image_of(row) for row in await self._database.rows(_AFTER_ID, bound)]

    async def image_ids(self, collection_uid: int, ids: Sequence[str]) -> Mapping[str, int]:
        """The uids of those of the ids that exist."""
        found: dict[str, int] = {}
        for some in chunks(ids, _CHUNK):
            rows = await self._database.rows(_UIDS_BY_ID, {"collection": collection_uid, "ids": some})
            found |= {row[0]: row[1] for row in rows}
        return found

    async def images_by_path(
        self, collection_uid: int, source: str, paths: Sequence[str]
    ) -> Mapping[str, Image]:
        """The images that came from these paths of a source, by path."""
        found: dict[str, Image] = {}
        for some in chunks(paths, _CHUNK):
            keys = [origin_key(Origin(source, path)) for path in some]
            rows = await self._database.rows(_BY_ORIGIN, {"collection": collection_uid, "keys": keys})
            found |= {image.origin.path: image for image in map(image_of, rows) if image.origin}
        return found

    async def known_files(
        self, collection_uid: int, source: str, after_uid: int, limit: int
    ) -> Sequence[KnownFile]:
        """Up to `limit` files of a source behind images with uid > `after_uid`, by uid."""
        bound = {"collection": collection_uid, "source": source, "after": after_uid, "at_most": limit}
        rows = await self._database.rows(_FILES, bound)
        return [KnownFile._make((*row[:-2], KEEPINGS[row[-2]], row[-1])) for row in rows]

    async def revisions(self, collection_uid: int, after_uid: int, limit: int) -> Sequence[tuple[int, int]]:
        """Up to `limit` (uid, revision) with uid > `after_uid`, by uid."""
        bound = {"collection": collection_uid, "after": after_uid, "at_most": limit}
        return [(row[0], row[1]) for row in await self._database.rows(_REVISIONS, bound)]

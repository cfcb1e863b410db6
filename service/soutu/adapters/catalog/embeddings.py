"""Embeddings by content and model version. Nothing else reads or writes their table but the followers' read
in changes.py, so that beyond some ten million images they can move to segments in the object store."""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Table, bindparam, delete, exists, func, select
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import Insert

from soutu.adapters.catalog.part import CatalogPart
from soutu.adapters.catalog.rows import chunks
from soutu.adapters.catalog.tables import embeddings, images
from soutu.domain.embedding import Vector, from_bytes, to_bytes
from soutu.domain.model import ModelRef

_CHUNK = 500
_VECTORS = select(embeddings.c.sha256, embeddings.c.vector).where(
    embeddings.c.sha256.in_(bindparam("sha256s", expanding=True)), embeddings.c.model == bindparam("model")
)


class SqlEmbeddings(CatalogPart):
    """Keeps the embedding part of the Catalog port."""

    async def embeddings(self, model: ModelRef, sha256s: Sequence[str]) -> Mapping[str, Vector]:
        """The stored vectors (float32, dimension) of those contents that have one under `model`."""
        found: dict[str, Vector] = {}
        for some in chunks(sha256s, _CHUNK):
            rows = await self._database.rows(_VECTORS, {"sha256s": some, "model": str(model)})
            found |= {row[0]: from_bytes(row[1]) for row in rows}
        return found

    async def unembedded(self, collection_uid: int, model: ModelRef) -> int:
        """How many images of the collection have no embedding under `model` yet."""
        stored = exists().where(embeddings.c.sha256 == images.c.sha256, embeddings.c.model == str(model))
        lacking = (
            select(func.count()).select_from(images).where(images.c.collection_uid == collection_uid, ~stored)
        )
        return int((await self._database.rows(lacking))[0][0])

    async def store_embeddings(self, model: ModelRef, vectors: Mapping[str, Vector]) -> None:
        """Stores unit vectors by the content's sha256; those stored before stay as they are."""
        given = [(sha256, model, vector) for sha256, vector in vectors.items()]

        async def store(connection: AsyncConnection) -> None:
            await add_embeddings(connection, given)

        await self._database.write(store)


async def add_embeddings(connection: AsyncConnection, given: Iterable[tuple[str, ModelRef, Vector]]) -> None:
    """Stores those that are not stored yet."""
    ordered = sorted(given, key=lambda each: (each[0], str(each[1])))  # so that nobody waits in a circle
    values = [
        {"sha256": sha256, "model": str(model), "vector": to_bytes(vector)}
        for sha256, model, vector in ordered
    ]
    if values:
        await connection.execute(insert_new(connection, embeddings), values)


async def drop_embeddings(connection: AsyncConnection, sha256s: Sequence[str]) -> None:
    """Forgets the vectors of these contents under every model."""
    await connection.execute(delete(embeddings).where(embeddings.c.sha256.in_(sha256s)))


def insert_new(connection: AsyncConnection, table: Table) -> Insert:
    """An INSERT that passes over rows whose key is there already, and over nothing else."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    key = table.primary_key.columns[0]
    return mysql.insert(table).on_duplicate_key_update({key.name: key})  # IGNORE would cut long texts short

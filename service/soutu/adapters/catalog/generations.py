"""Generations: made, read, published, forgotten."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, exists, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from soutu.adapters.catalog.leading import refuse_unled
from soutu.adapters.catalog.operations import insert_generation_work
from soutu.adapters.catalog.part import CatalogPart
from soutu.adapters.catalog.progress import record_unfollowed
from soutu.adapters.catalog.rows import generation_of
from soutu.adapters.catalog.switching import locked, switched
from soutu.adapters.catalog.tables import collections, embeddings, generations, leads
from soutu.domain.collection import Generation, GenerationDraft, GenerationState
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.lead import Lead
from soutu.domain.operation import Operation
from soutu.domain.writing import Failure
from soutu.ports.catalog import CaughtUp

_CHUNK = 1_000


class SqlGenerations(CatalogPart):
    """Keeps the generation part of the Catalog port."""

    async def generations(self, collection_uid: int | None = None) -> Sequence[Generation]:
        """Every generation, or those of one collection, by uid."""
        statement = select(generations).order_by(generations.c.uid)
        if collection_uid is not None:
            statement = statement.where(generations.c.collection_uid == collection_uid)
        return [generation_of(row) for row in await self._database.mappings(statement)]

    async def create_generation(
        self, collection_uid: int, draft: GenerationDraft, *, publish: bool
    ) -> Operation:
        """The operation that builds the new generation, which is BUILDING; one without an id is named by a
        number. COLLECTION_NOT_FOUND, GENERATION_EXISTS."""
        now = self._clock.now()

        async def create(connection: AsyncConnection) -> Operation:
            collection_id, _ = await locked(connection, collection_uid)
            named = draft.id or await _free_id(connection, collection_uid)
            uid = await insert_generation(
                connection, collection_uid, named, draft, GenerationState.BUILDING, now
            )
            request = {"generation": named, "uid": uid, "publish": publish}
            return await insert_generation_work(connection, (collection_uid, collection_id), request, now)

        return await self._database.write(create)

    async def publish_generation(self, generation: Generation, caught_up: CaughtUp) -> bool:
        """Makes a READY generation the active one at a revision of the collection that `caught_up` says yes
        to; false otherwise. GENERATION_NOT_FOUND, GENERATION_UNREADY, COLLECTION_NOT_FOUND."""
        now = self._clock.now()

        async def publish(connection: AsyncConnection) -> None:
            own = generations.c.uid == generation.uid
            state = (await connection.execute(select(generations.c.state).where(own))).scalar_one_or_none()
            if state is None:
                raise SoutuError(Reason.GENERATION_NOT_FOUND)
            if state != GenerationState.READY.value:
                raise SoutuError(Reason.GENERATION_UNREADY)
            await connection.execute(update(generations).where(own).values(publish_time=now))
            await connection.execute(
                update(collections)
                .where(collections.c.uid == generation.collection_uid)
                .values(active_generation=generation.uid)
            )

        return await switched(self._database, generation.collection_uid, caught_up, publish)

    async def delete_generation(self, generation: Generation) -> None:
        """Forgets the generation and, if no other has its model, its embeddings too; GENERATION_ACTIVE."""

        async def forget(connection: AsyncConnection) -> None:
            own = select(collections.c.active_generation).where(
                collections.c.uid == generation.collection_uid
            )
            active = (await connection.execute(own.with_for_update())).scalar_one_or_none()
            if active == generation.uid:
                raise SoutuError(Reason.GENERATION_ACTIVE)
            await connection.execute(delete(generations).where(generations.c.uid == generation.uid))
            await connection.execute(delete(leads).where(leads.c.generation_uid == generation.uid))

        await self._database.write(forget)
        while await self._database.write(lambda connection: _drop_some(connection, generation)):
            pass

    async def set_followed(
        self,
        generation_uid: int,
        revision: int,
        failures: Sequence[Failure] = (),
        lead: Lead | None = None,
    ) -> None:
        """Records `revision`, and the failures with the unfinished operation that builds the generation;
        revision 0 (an index made anew) forgets those recorded before. GENERATION_NOT_FOUND; LeadLostError
        where a lead is given that is not held."""

        async def follow(connection: AsyncConnection) -> None:
            await refuse_unled(connection, lead)
            await _set(connection, generation_uid, {"followed": revision})
            if failures or not revision:
                await record_unfollowed(connection, generation_uid, failures, anew=not revision)

        await self._database.write(follow)

    async def set_generation_state(self, generation_uid: int, state: GenerationState) -> None:
        """Records the state; GENERATION_NOT_FOUND."""
        values = {"state": state.value}
        await self._database.write(lambda connection: _set(connection, generation_uid, values))


async def insert_generation(
    connection: AsyncConnection,
    collection_uid: int,
    generation_id: str,
    draft: GenerationDraft,
    state: GenerationState,
    now: datetime,
) -> int:
    """The uid of a generation that was added under this id; GENERATION_EXISTS."""
    values = {
        "collection_uid": collection_uid,
        "id": generation_id,
        "model_name": draft.model.name,
        "model_version": draft.model.version,
        "dimension": draft.dimension,
        "index_type": draft.index.type.value,
        "index_parameters": dict(draft.index.parameters),
        "index_candidates": draft.index.candidates,
        "state": state.value,
        "followed": 0,
        "create_time": now,
        "publish_time": now if state is GenerationState.READY else None,
    }
    try:
        inserted = await connection.execute(insert(generations).values(values))
    except IntegrityError as error:
        message = f"The collection has a generation {generation_id} already."
        raise SoutuError(Reason.GENERATION_EXISTS, message, generation=generation_id) from error
    return int(inserted.lastrowid)


async def _set(connection: AsyncConnection, uid: int, values: Mapping[str, object]) -> None:
    # Read first: MySQL counts a row that had these values already as not updated.
    known = select(generations.c.uid).where(generations.c.uid == uid)
    if (await connection.execute(known)).first() is None:
        raise SoutuError(Reason.GENERATION_NOT_FOUND)
    await connection.execute(update(generations).where(generations.c.uid == uid).values(**values))


async def _free_id(connection: AsyncConnection, collection_uid: int) -> str:
    own = select(generations.c.id).where(generations.c.collection_uid == collection_uid)
    taken = set((await connection.execute(own)).scalars())
    return next(name for number in range(1, len(taken) + 2) if (name := f"g{number}") not in taken)


async def _drop_some(connection: AsyncConnection, generation: Generation) -> bool:
    """Drops a run of the embeddings of a model that no generation uses; false when none is left."""
    model = generation.model
    used = exists().where(
        generations.c.model_name == model.name, generations.c.model_version == model.version
    )
    some = select(embeddings.c.sha256).where(embeddings.c.model == str(model), ~used).limit(_CHUNK)
    sha256s = (await connection.execute(some)).scalars().all()
    if sha256s:
        idle = embeddings.c.model == str(model), embeddings.c.sha256.in_(sha256s)
        await connection.execute(delete(embeddings).where(*idle))
    return bool(sha256s)

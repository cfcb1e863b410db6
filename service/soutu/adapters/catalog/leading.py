"""Leases on following, and secrets, for several processes that serve one catalogue."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Select, and_, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from soutu.adapters.catalog.embeddings import insert_new
from soutu.adapters.catalog.part import CatalogPart
from soutu.adapters.catalog.rows import generation_of
from soutu.adapters.catalog.tables import collections, generations, leads, secrets
from soutu.domain.lead import Lead, LeadLostError, Standing

_COLLECTION = (collections.c.revision.label("c_revision"), collections.c.image_count.label("c_images"))
_LEAD = [column.label(f"lead_{column.name}") for column in leads.c]


def _standings() -> Select[Any]:
    return (
        select(*generations.c, *_COLLECTION, *_LEAD)
        .select_from(generations)
        .join(collections, collections.c.uid == generations.c.collection_uid)
        .outerjoin(leads, leads.c.generation_uid == generations.c.uid)
        .order_by(generations.c.uid)
    )


_STANDINGS = _standings()


class SqlLeading(CatalogPart):
    """Keeps the leading part of the Catalog port."""

    async def standings(self) -> Sequence[Standing]:
        """Every generation with its collection's revision and its lead, by uid, in one read."""
        return [
            Standing(generation_of(row), row["c_revision"], row["c_images"], _lead_of(row))
            for row in await self._database.mappings(_STANDINGS)
        ]

    async def take_lead(self, generation_uid: int, owner: str, lease_s: float) -> Lead | None:
        """The lead, held by `owner` from now on; None while another holds it."""
        now = self._clock.now()
        until = now + timedelta(seconds=lease_s)

        async def take(connection: AsyncConnection) -> Lead | None:
            own = leads.c.generation_uid == generation_uid
            row = (await connection.execute(select(*_LEAD).where(own).with_for_update())).mappings().first()
            if row is None:
                return await _first_lead(connection, Lead(generation_uid, owner, 1, until, 0, False, 0))
            if row["lead_owner"] not in ("", owner) and row["lead_until"] >= now:
                return None
            term = row["lead_term"] + (row["lead_owner"] != owner)
            values = {"owner": owner, "term": term, "until": until}
            await connection.execute(update(leads).where(own).values(**values))
            taken = {**row, **{f"lead_{name}": value for name, value in values.items()}}
            return _lead_of(taken, clean=row["lead_owner"] == "")

        return await self._database.write(take)

    async def keep_leads(self, owner: str, lease_s: float) -> None:
        """Extends every lease that `owner` holds."""
        until = self._clock.now() + timedelta(seconds=lease_s)

        async def keep(connection: AsyncConnection) -> None:
            await connection.execute(update(leads).where(leads.c.owner == owner).values(until=until))

        await self._database.write(keep)

    async def tell_lead(self, lead: Lead, followed: int, *, ready: bool, lease_s: float) -> bool:
        """Extends the lease and tells all processes how far the index is; false, telling nothing, when it is
        no longer held."""
        until = self._clock.now() + timedelta(seconds=lease_s)

        async def tell(connection: AsyncConnection) -> bool:
            if not await _holds(connection, lead):
                return False
            values = {"until": until, "followed": followed, "ready": ready}
            own = leads.c.generation_uid == lead.generation_uid
            await connection.execute(update(leads).where(own).values(**values))
            return True

        return await self._database.write(tell)

    async def ask_comparison(self, generation_uid: int) -> None:
        """Has whoever leads, now or next, compare the index with the catalogue."""

        async def ask(connection: AsyncConnection) -> None:
            own = leads.c.generation_uid == generation_uid
            more = leads.c.comparisons + 1
            await connection.execute(update(leads).where(own).values(comparisons=more))

        await self._database.write(ask)

    async def leave_lead(self, lead: Lead) -> None:
        """Lets go of the lead, if it is still held."""

        async def leave(connection: AsyncConnection) -> None:
            if await _holds(connection, lead):
                own = leads.c.generation_uid == lead.generation_uid
                await connection.execute(update(leads).where(own).values(owner=""))

        await self._database.write(leave)

    async def shared_secret(self, name: str, proposed: bytes) -> bytes:
        """The secret of this name that all processes know: the first one that was proposed."""

        async def propose(connection: AsyncConnection) -> None:
            await connection.execute(insert_new(connection, secrets), {"name": name, "value": proposed})

        known = select(secrets.c.value).where(secrets.c.name == name)
        if not (found := await self._database.rows(known)):
            await self._database.write(propose)
            found = await self._database.rows(known)
        return bytes(found[0][0])


async def refuse_unled(connection: AsyncConnection, lead: Lead | None) -> None:
    """LeadLostError unless the lead is held; it stays so until the transaction ends."""
    if lead is not None and not await _holds(connection, lead):
        raise LeadLostError


async def _holds(connection: AsyncConnection, lead: Lead) -> bool:
    held = and_(
        leads.c.generation_uid == lead.generation_uid,
        leads.c.owner == lead.owner,
        leads.c.term == lead.term,
    )
    return (await connection.execute(select(leads.c.term).where(held).with_for_update())).first() is not None


async def _first_lead(connection: AsyncConnection, lead: Lead) -> Lead | None:
    values = {column.name: getattr(lead, column.name) for column in leads.c}
    try:
        await connection.execute(insert(leads).values(values))
    except IntegrityError:
        return None  # another process was a moment earlier
    return lead


def _lead_of(row: Mapping[Any, Any], *, clean: bool = True) -> Lead | None:
    if row["lead_generation_uid"] is None:
        return None
    values = {column.name: row[f"lead_{column.name}"] for column in leads.c}
    return Lead(**values, clean=clean)

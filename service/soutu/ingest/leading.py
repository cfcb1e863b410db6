"""Leading: the right to write to a generation's index, which one process at a time has.

A process may be stopped for a while between any two of its steps, and another one follows meanwhile. So it
looks at its lease before each write, and proves it after each: where it was lost in between, something old
may have come into the index, and whoever leads now is asked to compare it with the catalogue.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from soutu.domain.lead import Lead, LeadLostError
from soutu.ports import Clock, LeadCatalog

_SURE = 0.7  # of a lease: for as long as no clock could say that it has ended


class Leading(Protocol):
    """What a follower must know of its right to write."""

    @property
    def lead(self) -> Lead | None:
        """What the catalogue is to look at before it records something; None where there is nothing to."""
        ...

    def writing(self) -> AbstractAsyncContextManager[None]:
        """Surrounds a write to the index; LeadLostError before it."""
        ...

    async def tell(self, followed: int, *, ready: bool) -> None:
        """Says how far the index is. LeadLostError."""
        ...

    async def begin_anew(self) -> None:
        """Says that the index is empty. LeadLostError."""
        ...


class Alone:
    """Leading where no other process serves the catalogue."""

    lead: Lead | None = None

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Writes at any time."""
        yield

    async def tell(self, followed: int, *, ready: bool) -> None:
        """Tells nobody."""

    async def begin_anew(self) -> None:
        """Tells nobody."""


ALONE = Alone()


class Held:
    """Leading by a lease that the catalogue keeps; `asked_at_s` is when it was asked for."""

    def __init__(
        self, catalog: LeadCatalog, clock: Clock, lead: Lead, lease_s: float, asked_at_s: float
    ) -> None:
        self.lead: Lead | None = lead
        self.term = lead.term
        self.rests = asyncio.Event()  # no write is under way
        self.rests.set()
        self._own = lead
        self._catalog = catalog
        self._clock = clock
        self._lease_s = lease_s
        self._followed, self._ready = lead.followed, lead.ready
        self._unproved = False  # something was written, and the lease has not been proved since
        self.kept(asked_at_s)

    def kept(self, asked_at_s: float) -> None:
        """The lease was extended by a request made then."""
        self._sure_until_s = asked_at_s + _SURE * self._lease_s

    def doubt(self) -> None:
        """Another process seems to lead: the lease is proved before the next write."""
        self._sure_until_s = 0.0

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Proves the lease first if that was not done for a while."""
        if self._clock.monotonic() >= self._sure_until_s:
            await self._prove()
        self._unproved = True
        self.rests.clear()
        try:
            yield
        finally:
            self.rests.set()

    async def tell(self, followed: int, *, ready: bool) -> None:
        """A revision or a readiness that was told before is not taken back: the index still has it."""
        self._followed, self._ready = max(self._followed, followed), self._ready or ready
        await self._prove()

    async def begin_anew(self) -> None:
        """Nothing is in the index, and nobody may search it."""
        self._followed, self._ready = 0, False
        await self._prove()

    async def settle(self) -> None:
        """Has the index compared where what was written last may have come too late."""
        if self._unproved:
            await self._catalog.ask_comparison(self._own.generation_uid)
            self._unproved = False

    async def _prove(self) -> None:
        at_s = self._clock.monotonic()
        held = await self._catalog.tell_lead(
            self._own, self._followed, ready=self._ready, lease_s=self._lease_s
        )
        if not held:
            await self.settle()
            raise LeadLostError
        self._unproved = False
        self.kept(at_s)

"""A catalogue on a server, and an index in this process: no other process may serve that catalogue."""

import asyncio
from collections.abc import Awaitable, Callable

from soutu.domain.errors import Reason, SoutuError
from soutu.domain.lead import Lead
from soutu.observe.logs import logger
from soutu.operations.background import in_background
from soutu.ports import LeadCatalog

_WHOLE = 0  # as a generation, in whose place the lease on the whole catalogue stands: there is no such one
_LEASE_S = 10.0
_BEAT_S = 2.0
_LOOK_S = 0.5
_log = logger(__name__)


async def served_alone(catalog: LeadCatalog, owner: str) -> Callable[[], Awaitable[None]]:
    """Takes the whole catalogue for `owner`, who has it at once where it had it before, and returns what lets
    it go. CATALOG_UNAVAILABLE where another goes on having it for longer than its lease."""
    lead = None
    for _ in range(round(1.2 * _LEASE_S / _LOOK_S)):
        if lead := await catalog.take_lead(_WHOLE, owner, _LEASE_S):
            break
        await asyncio.sleep(_LOOK_S)
    if lead is None:
        message = (
            "Another server uses the catalogue of catalog.url with an index of its own. Stop it, or give both"
            " one index with index.url."
        )
        raise SoutuError(Reason.CATALOG_UNAVAILABLE, message)
    stop = in_background(_kept(catalog, lead), "the catalogue's lease")

    async def let_go() -> None:
        await stop()
        await catalog.leave_lead(lead)

    return let_go


async def _kept(catalog: LeadCatalog, lead: Lead) -> None:
    while True:
        await asyncio.sleep(_BEAT_S)
        try:
            if not await catalog.tell_lead(lead, 0, ready=False, lease_s=_LEASE_S):
                _log.error("another server uses this catalogue, with an index of its own: stop one of them")
        except SoutuError as error:
            _log.warning("the catalogue's lease was not extended", reason=error.reason.name)

"""Watching: a directory is looked at again and again, and what has changed is handed on once it rests.

Polling, because it sees every change on every file system, network mounts included, where notifications are
lost; its price is one look at names, sizes and times, and the pauses grow with that.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from soutu.domain.errors import Reason, SoutuError, Status
from soutu.ingest.sources import Listing
from soutu.observe.logs import logger

_PAUSE_S = 2.0
_SHARE = 0.05  # of the time that may go into looking
_log = logger(__name__)

State = tuple[int, int, str]


class Watch:
    """Looks at a source for ever.

    A path is handed on when it is in the same state at two looks in a row, and in another than when it was
    last handed on: so a file is left alone while it is being written, and one that failed is tried again only
    once it has changed. A source that is gone, or offers nothing after it had offered something, is waited
    for: nothing is taken for vanished meanwhile.
    """

    def __init__(
        self,
        look: Callable[[], Listing],
        agree: Callable[[Sequence[str], Listing], Awaitable[None]],
        pause_s: float = _PAUSE_S,
    ) -> None:
        self._look = look
        self._agree = agree
        self._pause_s = pause_s

    async def run(self, listing: Listing) -> None:
        """Until cancelled. `listing` is what was handed on already."""
        handed_on = before = _states(listing)
        while True:
            began_s = time.monotonic()
            found = await self._listing(before)
            looked_s = time.monotonic() - began_s
            now = _states(found) if found else before
            paths = _settled(handed_on, before, now, found.unread) if found else []
            if found and paths and await self._handed_on(paths, found):
                handed_on = _with(handed_on, now, paths)
            before = now
            await asyncio.sleep(max(self._pause_s, looked_s * (1 / _SHARE - 1)))

    async def _listing(self, before: Mapping[str, State]) -> Listing | None:
        """What there is; None while the source is away."""
        try:
            listing = await asyncio.to_thread(self._look)
        except SoutuError as error:
            if error.reason is not Reason.SOURCE_NOT_FOUND:
                raise
            _log.warning("a watched source is away", reason=error.message)
            return None
        if before and not any(not item.failure for item in listing.items):
            _log.warning("a watched source offers nothing any more; it is waited for")
            return None
        return listing

    async def _handed_on(self, paths: Sequence[str], listing: Listing) -> bool:
        """False where the service could not take them now: they are tried again."""
        try:
            await self._agree(paths, listing)
        except SoutuError as error:
            if error.reason.status is not Status.UNAVAILABLE:
                raise
            _log.warning("a watch waits", reason=error.reason.name)
            return False
        return True


def _states(listing: Listing) -> Mapping[str, State]:
    return {
        item.path: (item.size_bytes, item.mtime_ns, item.sidecar_stamp)
        for item in listing.items
        if not item.failure
    }


def _settled(
    handed_on: Mapping[str, State],
    before: Mapping[str, State],
    now: Mapping[str, State],
    unread: Sequence[str],
) -> Sequence[str]:
    """The paths to hand on, in order."""
    return sorted(
        path
        for path in handed_on.keys() | now.keys()
        if handed_on.get(path) != now.get(path) == before.get(path) and not path.startswith(tuple(unread))
    )


def _with(states: Mapping[str, State], now: Mapping[str, State], paths: Sequence[str]) -> Mapping[str, State]:
    taken = set(paths)
    kept = {path: state for path, state in states.items() if path not in taken}
    return kept | {path: now[path] for path in paths if path in now}

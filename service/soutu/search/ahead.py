"""Asking the catalogue ahead of the join, while the index still searches."""

import asyncio
from collections.abc import Sequence

from soutu.domain.collection import Head
from soutu.domain.query import Candidate, Joined
from soutu.ports import Catalog


class Ahead:
    """What the catalogue is asked of the head while the index searches, where the join need probably ask no
    more. It ends by itself, whatever becomes of the search: a connection whose read is cancelled is lost."""

    def __init__(self, catalog: Catalog, head: Head, *, away: bool) -> None:
        """A catalogue that is known to be `away` is not asked."""
        self._asked: asyncio.Task[Joined] | None = None
        if not away and catalog.tells_ahead():
            self._asked = asyncio.create_task(catalog.joined(head, ()))
            # Its error may be for nobody.
            self._asked.add_done_callback(lambda asked: asked.cancelled() or asked.exception())

    async def told(self, candidates: Sequence[Candidate]) -> Joined | None:
        """What it told; None where it was not asked, or the index has found what is newer than that. Raises
        the catalogue's errors."""
        if self._asked is None:
            return None
        told = await asyncio.shield(self._asked)
        return told if all(each.revision <= told.revision for each in candidates) else None

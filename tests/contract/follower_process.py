"""A process that follows as others do beside it, until it is asked to end.

Run as: python -m tests.contract.follower_process CATALOGUE_URL OWNER
"""

import asyncio
import signal
import sys
from typing import cast

from soutu.adapters.catalog import SqlCatalog
from soutu.domain.collection import Generation
from soutu.ingest.completion import Completion
from soutu.ingest.follow import Follower, Pace
from soutu.ingest.leading import Leading
from soutu.ingest.shared import Lease, SharedFollowers
from soutu.observe.clock import SystemClock
from soutu.ports import VectorIndex
from tests.contract.table_index import TableIndex

LEASE_S = 1.0
DAWDLE_S = 0.2


async def forgets_nothing() -> None:
    """There is no cache in this process."""


async def _follow(url: str, owner: str) -> None:
    clock, catalog = SystemClock(), await SqlCatalog.open(url, SystemClock())
    index = cast(VectorIndex, TableIndex(url, DAWDLE_S))

    def follower(generation: Generation, leading: Leading) -> Follower:
        completion = cast(Completion, None)  # every image has its embedding
        pace = Pace(poll_s=0.2, persist_s=0.2, optimize_after=10**9, settle_s=10**9)
        return Follower(generation, catalog, index, completion, clock, pace, leading)

    lease = Lease(owner, LEASE_S, 0.2, 0.05)
    followers = SharedFollowers(catalog, index, follower, clock, lease, forgets_nothing)
    await followers.start()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
    await followers.close()
    await catalog.close()


if __name__ == "__main__":
    asyncio.run(_follow(sys.argv[1], sys.argv[2]))

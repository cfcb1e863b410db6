"""How fresh a search of a generation must be, as Milvus's consistency levels."""

import math
from dataclasses import dataclass
from typing import Any

SETTLED_S = 10.0  # twice what Milvus lets a bounded search lag behind


@dataclass(slots=True)
class Freshness:
    """What this process knows of a generation's last change, by the loop's clock.

    `seen` is Milvus's timestamp of the last write of ours that was waited for. A search asks for that state,
    which costs nothing where it is there; asking for the newest (Strong) would make each search wait for
    Milvus's next tick, some 200 ms, and is done where another process writes. Once nothing has changed for a
    while, whatever any process has written is older than what a bounded search may lack.
    """

    changed_at: float
    wrote_at: float = -math.inf
    seen: int = 0
    revision: int = 0

    def wrote(self, timestamp: int, now: float) -> None:
        """A write of ours, with Milvus's timestamp of it, is seen by searches."""
        self.changed_at = self.wrote_at = now
        self.seen = max(self.seen, timestamp)

    def told(self, revision: int, now: float) -> None:
        """The index has followed up to this revision, whoever wrote that."""
        if revision > self.revision:
            self.revision, self.changed_at = revision, now

    def level(self, now: float) -> dict[str, Any]:
        """The arguments of a search or query now. A process that has written lately is the only one that
        does."""
        if now > self.changed_at + SETTLED_S:
            return {"consistency_level": "Bounded"}
        return after(self.seen if now <= self.wrote_at + SETTLED_S else 0)


def after(timestamp: int) -> dict[str, Any]:
    """The arguments of a search or query that has everything up to a timestamp of Milvus's; 0: everything."""
    if not timestamp:
        return {"consistency_level": "Strong"}
    return {"consistency_level": "Customized", "guarantee_timestamp": timestamp}

"""What a build or sync has done so far; as text it is the cursor that the work resumes at."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from soutu.ingest.sources import Place

ADDED, CHANGED, MOVED, VANISHED, UNCHANGED, FAILED = (
    "added",
    "changed",
    "moved",
    "vanished",
    "unchanged",
    "failed",
)


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts, by what was done, up to and including the item at `place` of the source with this stamp.
    `revision` is the collection's after the latest shard."""

    place: Place = (0, "")
    stamp: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    revision: int = 0

    @property
    def done(self) -> int:
        """Items dealt with, failed ones included."""
        return sum(self.counts.values())

    @property
    def failed(self) -> int:
        """Items that failed."""
        return self.of(FAILED)

    def of(self, what: str) -> int:
        """How often this was done."""
        return self.counts.get(what, 0)

    def text(self) -> str:
        """The cursor."""
        return json.dumps(asdict(self))

    @classmethod
    def parsed(cls, cursor: str, stamp: str = "") -> "Tally":
        """The tally that `text` wrote; a new one for an empty cursor, or one of a source with another stamp,
        whose places mean nothing any more."""
        kept = json.loads(cursor) if cursor else {}
        if kept.get("stamp") != stamp:
            return cls(stamp=stamp)
        number, path = kept.pop("place")
        return cls(place=(number, path), **kept)

    def plus(self, more: Mapping[str, int]) -> "Tally":
        """With these counts, which may be negative, too."""
        kinds = {*self.counts, *more}
        return replace(self, counts={what: self.of(what) + more.get(what, 0) for what in kinds})

"""Which of several processes follows a generation, and how far its index is."""

from dataclasses import dataclass
from datetime import datetime

from soutu.domain.collection import Generation


class LeadLostError(Exception):
    """Another process follows the generation by now. Whoever followed it stops; no client hears of it."""


@dataclass(frozen=True, slots=True)
class Lead:
    """A lease on following a generation, as the catalogue has it.

    `owner` is a process, or empty once it has let go; `term` grows with each change of owner. All up to
    `followed` is in the index, which may be searched when it is `ready`. `comparisons` counts how often the
    index was asked to be compared with the catalogue. `clean` says that whoever led before had let go.
    """

    generation_uid: int
    owner: str
    term: int
    until: datetime
    followed: int
    ready: bool
    comparisons: int
    clean: bool = True


@dataclass(frozen=True, slots=True)
class Standing:
    """A generation, its collection's revision and number of images, and who follows it, at one moment."""

    generation: Generation
    revision: int
    image_count: int
    lead: Lead | None

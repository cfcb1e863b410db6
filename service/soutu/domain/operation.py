"""Long-running operations: work that outlives a call and a process."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

UNFINISHED_LIMIT = 100
"""Operations that may be at work or wait; more are QUEUE_FULL."""


class OperationKind(StrEnum):
    """The kinds of long work."""

    BUILD = "build"
    SYNC = "sync"
    GENERATION = "generation"
    EXPORT = "export"
    IMPORT = "import"
    BACKUP = "backup"
    PURGE = "purge"
    REBUILD = "rebuild"
    TUNE = "tune"
    RELABEL = "relabel"

    @property
    def fills(self) -> bool:
        """Whether it writes a collection's images: of these a collection has one at a time."""
        return self in (OperationKind.BUILD, OperationKind.SYNC, OperationKind.IMPORT)

    @property
    def renews(self) -> bool:
        """Whether it makes a collection's indexes again: of these one is at work at a time, oldest first."""
        return self in (OperationKind.PURGE, OperationKind.REBUILD)


class OperationState(StrEnum):
    """PENDING and RUNNING are unfinished; the others are final."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether the operation has ended."""
        return self not in (OperationState.PENDING, OperationState.RUNNING)


class Holding(StrEnum):
    """What a process that runs an operation has of it."""

    HELD = "held"
    STOPPING = "stopping"  # asked to stop, or gone with its collection
    LOST = "lost"  # another's: nothing of it may be touched any more


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an operation is, in items. `total` is 0 while it is not known, `rate` (items per second) while
    the operation does not run."""

    total: int = 0
    done: int = 0
    failed: int = 0
    rate: float = 0.0

    def completed(self) -> "Progress":
        """That of work that has succeeded, with less or more to do than was foreseen."""
        count = max(self.total, self.done)
        return replace(self, total=count, done=count)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation as the catalogue keeps it. `request` and `result` are JSON-like and belong to its kind.

    `cursor` is where the kind's work resumes; opaque to everybody else.
    """

    uid: int
    id: str
    kind: OperationKind
    collection_uid: int
    collection_id: str
    state: OperationState
    request: Mapping[str, object]
    create_time: datetime
    update_time: datetime
    progress: Progress = Progress()
    cursor: str = ""
    cancel_requested: bool = False
    error_reason: str = ""
    error_message: str = ""
    result: Mapping[str, object] = field(default_factory=dict)
    start_time: datetime | None = None
    end_time: datetime | None = None

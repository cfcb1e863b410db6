"""One operation at work: what its work is given, and how it says how far it is."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from soutu.domain.operation import Operation, Progress
from soutu.ports import Clock


class Job:
    """Handed to the work of one operation. The work resumes at `operation.cursor`, keeps `progress` current,
    and returns the operation's result; it is cancelled, like any task, when the operation is to stop.
    `owner` holds the operation's lease: a checkpoint that names it fails once another has taken over."""

    def __init__(self, operation: Operation, owner: str, clock: Clock) -> None:
        self.operation = operation
        self.owner = owner
        self.progress: Progress = operation.progress
        self._clock = clock
        self._begun = clock.monotonic(), operation.progress.done

    def live_progress(self) -> Progress:
        """The progress, with the rate since this process took the operation up."""
        begun_s, done = self._begun
        elapsed_s = max(self._clock.monotonic() - begun_s, 1e-3)
        return replace(self.progress, rate=max(self.progress.done - done, 0) / elapsed_s)


class Work(Protocol):
    """The work of one kind of operation."""

    async def run(self, job: Job) -> Mapping[str, object]:
        """Does it, from the operation's cursor on, and returns its result."""
        ...

    async def give_up(self, operation: Operation) -> None:
        """Tidies up after an operation that was cancelled or failed for good."""
        ...

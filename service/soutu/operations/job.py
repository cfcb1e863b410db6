"""One operation at work: what its work is given, and how it says how far it is."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from soutu.domain.operation import Operation, Progress
from soutu.ports import Clock

Work = Callable[["Job"], Awaitable[Mapping[str, object]]]


class Job:
    """Handed to the work of one operation. The work resumes at `operation.cursor`, keeps `progress` current,
    and returns the operation's result; it is cancelled, like any task, when the operation is to stop."""

    def __init__(self, operation: Operation, clock: Clock) -> None:
        self.operation = operation
        self.progress: Progress = operation.progress
        self._clock = clock
        self._begun = clock.monotonic(), operation.progress.done

    def live_progress(self) -> Progress:
        """The progress, with the rate since this process took the operation up."""
        begun_s, done = self._begun
        elapsed_s = max(self._clock.monotonic() - begun_s, 1e-3)
        return replace(self.progress, rate=(self.progress.done - done) / elapsed_s)

"""The clock of the machine."""

import time
from datetime import UTC, datetime


class SystemClock:
    """Time as the operating system tells it; keeps ports.Clock."""

    def now(self) -> datetime:
        """The present moment in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never run backwards, for durations."""
        return time.monotonic()

"""A circuit breaker: what has just failed is left alone for a while."""

import time
from collections.abc import Callable


class Breaker:
    """Open after a failure, for `first_s`, and twice as long after each further one, up to `longest_s`; those
    that fail together count as one. One success closes it."""

    def __init__(
        self, first_s: float, longest_s: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._monotonic = monotonic
        self._open_until = 0.0
        self.rest_s = 0.0

    @property
    def open(self) -> bool:
        """Whether it should be left alone now."""
        return self._monotonic() < self._open_until

    def failed(self) -> None:
        """It has failed (again)."""
        if self.open:
            return
        self.rest_s = min(max(2 * self.rest_s, self._first_s), self._longest_s)
        self._open_until = self._monotonic() + self.rest_s

    def succeeded(self) -> None:
        """It has done its part."""
        self.rest_s = self._open_until = 0.0

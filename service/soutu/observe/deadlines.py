"""How long the caller of the work under way still waits for its answer."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_END: ContextVar[float | None] = ContextVar("_END", default=None)


@contextmanager
def awaited(left_s: float | None) -> Iterator[None]:
    """Around work whose caller waits so much longer, or, for None, as long as it takes. Not around what goes
    on when its caller is gone: tasks that are started inside keep the deadline."""
    token = _END.set(None if left_s is None else time.monotonic() + left_s)
    try:
        yield
    finally:
        _END.reset(token)


def time_left_s() -> float | None:
    """What is left of that time, at least 0; None where nobody is in a hurry."""
    end = _END.get()
    return None if end is None else max(0.0, end - time.monotonic())

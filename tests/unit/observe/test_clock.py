from datetime import UTC, datetime, timedelta

from soutu.observe.clock import SystemClock
from soutu.ports import Clock


def test_the_clock_tells_utc_and_never_runs_backwards() -> None:
    clock: Clock = SystemClock()
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() <= clock.monotonic()

"""A breaker opens for longer and longer while failures follow each other, and closes at a success."""

from soutu.adapters.breaker import Breaker


class Clock:
    """Stands where it is put."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_it_rests_longer_each_time_up_to_the_longest() -> None:
    clock = Clock()
    breaker = Breaker(0.5, 3.0, clock)
    for rest_s in (0.5, 1.0, 2.0, 3.0, 3.0):
        breaker.failed()
        clock.now_s += rest_s - 0.01
        assert breaker.open
        clock.now_s += 0.02
        assert not breaker.open


def test_a_success_closes_it_and_begins_anew() -> None:
    clock = Clock()
    breaker = Breaker(0.5, 3.0, clock)
    breaker.failed()
    breaker.failed()
    breaker.succeeded()
    assert not breaker.open
    breaker.failed()
    assert breaker.rest_s == 0.5


def test_failures_at_the_same_time_count_once() -> None:
    clock = Clock()
    breaker = Breaker(0.5, 3.0, clock)
    for _ in range(8):
        breaker.failed()
    assert breaker.rest_s == 0.5

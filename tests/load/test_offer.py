"""What counts as goodput: answers that come while calls are made, and none out of the queue afterwards."""

from bench.offer import answered_within


def call(began_s: float, took_s: float, status: str = "OK") -> dict[str, object]:
    """As ghz reports it."""
    timestamp = f"2026-11-22T10:00:{began_s:012.9f}Z"
    return {"timestamp": timestamp, "latency": round(took_s * 1e9), "status": status}


def test_answers_that_come_after_the_last_call_was_made_do_not_count() -> None:
    in_time = [call(0.5, 1.0), call(1.5, 0.5), call(2.0, 1.5)]
    late = [call(2.0, 1.6), call(3.4, 0.2)]
    assert answered_within([*in_time, *late], 3.0) == 3


def test_refusals_are_no_answers() -> None:
    assert answered_within([call(0.0, 0.1, "ResourceExhausted"), call(0.1, 0.1)], 3.0) == 1
    assert answered_within([], 3.0) == 0

import asyncio

import pytest

from soutu.observe.deadlines import awaited, time_left_s


def test_nobody_is_in_a_hurry_unless_somebody_says_so() -> None:
    assert time_left_s() is None
    with awaited(None):
        assert time_left_s() is None


def test_time_runs_out_and_ends_with_the_work() -> None:
    with awaited(5):
        left_s = time_left_s()
        assert left_s == pytest.approx(5, abs=0.5)
        with awaited(-1):
            assert time_left_s() == 0
        assert time_left_s() == pytest.approx(5, abs=0.5)
    assert time_left_s() is None


async def test_each_task_has_its_own() -> None:
    async def asked(left_s: float) -> float | None:
        with awaited(left_s):
            await asyncio.sleep(0)
            return time_left_s()

    soon, late = await asyncio.gather(asked(1), asked(100))
    assert soon == pytest.approx(1, abs=0.5)
    assert late == pytest.approx(100, abs=0.5)

import asyncio
from collections.abc import Iterator

import pytest

from soutu.observe.stages import Stages


def ticks() -> Iterator[float]:
    now = 0.0
    while True:
        yield now
        now += 1.0


async def test_stages_add_up_in_the_order_they_began_across_awaits() -> None:
    clock = ticks()
    stages = Stages(lambda: next(clock))
    with stages.time("decode"):
        await asyncio.sleep(0)
    with stages.time("embed"):
        pass
    with stages.time("decode"):
        await asyncio.sleep(0)
    assert list(stages.seconds.items()) == [("decode", 2.0), ("embed", 1.0)]


def test_a_stage_around_another_comes_first() -> None:
    clock = ticks()
    stages = Stages(lambda: next(clock))
    with stages.time("query"), stages.time("embed"):
        pass
    assert list(stages.seconds.items()) == [("query", 3.0), ("embed", 1.0)]


def test_a_stage_that_fails_is_timed() -> None:
    stages = Stages()
    with pytest.raises(KeyError), stages.time("decode"):
        raise KeyError
    assert stages.seconds["decode"] >= 0


def test_time_measured_elsewhere_is_added_and_the_view_is_read_only() -> None:
    stages = Stages()
    stages.add("decode", 0.5)
    assert dict(stages.seconds) == {"decode": 0.5}
    with pytest.raises(TypeError):
        stages.seconds["decode"] = 1.0  # type: ignore[index]

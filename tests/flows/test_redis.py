"""A service that remembers in a real Redis, which goes away and comes back."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.stack.running import Running
from soutu.client import SoutuCallError
from tests.flows import pictures
from tests.flows.served import Served, until

pytestmark = pytest.mark.placed


@pytest.fixture
def remembering(redis: Running, tmp_path: Path) -> Iterator[Served]:
    settings = {**redis.settings, "SOUTU_CACHE_WAIT_S": "0.1"}
    with Served(tmp_path, settings=settings) as served:
        served.client.collections.create("c")
        for number in range(4):
            served.client.images.upload("c", pictures.jpeg(number), image_id=f"i{number}")
        yield served


def cached(served: Served, number: int) -> bool:
    answer = served.client.search("c", pictures.jpeg(number))
    assert answer.matches[0].image.name.endswith(f"/i{number}")
    return answer.report.cached


def test_answers_outlive_the_process_and_never_a_write(remembering: Served) -> None:
    assert [cached(remembering, 1), cached(remembering, 1)] == [False, True]
    remembering.stop()
    remembering.restart()
    assert until(lambda: cached(remembering, 1))
    remembering.client.images.upload("c", pictures.jpeg(9), image_id="i9")
    assert not cached(remembering, 1)


def test_a_redis_that_stands_still_costs_no_answer_but_a_purge(remembering: Served, redis: Running) -> None:
    os.kill(redis.pid, signal.SIGSTOP)
    try:
        assert not any(cached(remembering, number % 4) for number in range(12))
        with pytest.raises(SoutuCallError) as failure:
            remembering.client.admin.purge("c", ["i3"]).wait(30)
        assert failure.value.reason == "CACHE_UNAVAILABLE"
    finally:
        os.kill(redis.pid, signal.SIGCONT)
    assert remembering.client.admin.purge("c", ["i3"]).wait(30).image_count == 1
    assert until(lambda: cached(remembering, 1))

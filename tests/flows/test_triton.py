"""A service whose models run on a real Triton, which stands still for a while under load."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.stack.running import Running
from soutu.client import SoutuCallError
from tests.flows import pictures
from tests.flows.served import Served, until

pytestmark = [pytest.mark.slow, pytest.mark.placed]

BACK_S = 60.0  # on a busy machine Triton may have to start the process of a model anew


@pytest.fixture
def served(triton: Running, tmp_path: Path) -> Iterator[Served]:
    settings = {**triton.settings, "SOUTU_INFERENCE_WAIT_S": "1"}
    with Served(tmp_path, settings=settings) as served:
        served.client.collections.create("c")
        for number in range(8):
            served.client.images.upload("c", pictures.jpeg(number), image_id=f"i{number}")
        yield served


def found(served: Served, number: int) -> list[tuple[str, float]]:
    answer = served.client.search("c", pictures.jpeg(number))
    return [(match.name, match.score) for match in answer.matches]


def outcome(served: Served, number: int) -> str:
    """ "found", or the reason why not."""
    try:
        answer = served.client.search("c", pictures.jpeg(number))
    except SoutuCallError as error:
        return error.reason
    assert len(answer.matches) == 8
    return "found"


def test_answers_are_those_of_the_model_in_the_process(served: Served, tmp_path: Path) -> None:
    with Served(tmp_path / "embedded") as embedded:
        embedded.client.collections.create("c")
        for number in range(8):
            embedded.client.images.upload("c", pictures.jpeg(number), image_id=f"i{number}")
        for number in range(12):
            ours, theirs = (
                [
                    (match.name, match.score)
                    for match in each.client.search("c", pictures.jpeg(number)).matches
                ]
                for each in (served, embedded)
            )
            assert [name for name, _ in ours] == [name for name, _ in theirs]
            assert [score for _, score in ours] == pytest.approx([score for _, score in theirs], abs=1e-3)


def test_while_it_stands_still_what_needs_no_model_goes_on(served: Served, triton: Running) -> None:
    known = pictures.jpeg(3)
    assert served.client.search("c", known).matches
    os.kill(triton.pid, signal.SIGSTOP)
    try:
        assert until(lambda: outcome(served, 99) != "found")  # its last thread may run on for a moment
        seen = Counter(outcome(served, 100 + number) for number in range(4))
        assert seen == {"INFERENCE_UNAVAILABLE": 4}
        assert served.client.search("c", "i3").matches  # a stored image
        assert served.client.search("c", known).matches  # a picture whose embedding is remembered
        with pytest.raises(SoutuCallError) as failure:
            served.client.images.upload("c", pictures.jpeg(50))
        assert failure.value.reason == "INFERENCE_UNAVAILABLE"
    finally:
        os.kill(triton.pid, signal.SIGCONT)
    assert until(lambda: outcome(served, 200) == "found", BACK_S)
    assert served.client.images.count("c") == 8

from pathlib import Path
from threading import Timer

import pytest
import qdrant_edge as edge

from soutu.adapters.vectors.edge_plan import Plan, plan_for
from soutu.adapters.vectors.edge_process import OptimiserProcess
from soutu.domain.collection import IndexSpec
from soutu.domain.errors import Reason, SoutuError


@pytest.fixture
def plan() -> Plan:
    return plan_for(4, IndexSpec(), flat_below=100, threads=2)


def test_a_shard_with_nothing_to_do_is_left(tmp_path: Path, plan: Plan) -> None:
    edge.EdgeShard.create(str(tmp_path / "shard"), plan.config()).close()
    process = OptimiserProcess()
    with process.started(tmp_path / "shard", tmp_path / "copy", plan):
        assert process.copy()
        assert (tmp_path / "copy" / "segments").is_dir()
        assert process.optimise() is None


def test_a_failure_is_unavailable_with_the_last_words_of_the_process(tmp_path: Path, plan: Plan) -> None:
    (tmp_path / "shard").mkdir()
    process = OptimiserProcess()
    with (
        pytest.raises(SoutuError) as raised,
        process.started(tmp_path / "shard", tmp_path / "nowhere" / "copy", plan),
    ):
        process.copy()
    assert raised.value.reason is Reason.INDEX_UNAVAILABLE
    assert "No such file or directory" in str(raised.value.__cause__)


def test_one_that_is_stopped_ends_the_call_that_waits_for_it(tmp_path: Path, plan: Plan) -> None:
    edge.EdgeShard.create(str(tmp_path / "shard"), plan.config()).close()
    process = OptimiserProcess()
    with process.started(tmp_path / "shard", tmp_path / "copy", plan):
        process.stop()
        with pytest.raises(SoutuError) as raised:
            process.copy()
    assert raised.value.reason is Reason.INDEX_UNAVAILABLE
    assert "status -9" in str(raised.value.__cause__)
    early = OptimiserProcess()
    Timer(0.05, early.stop).start()
    with pytest.raises(SoutuError), early.started(tmp_path / "shard", tmp_path / "other", plan):
        pytest.fail("it was stopped before it was ready")


def test_one_that_was_stopped_does_not_start(tmp_path: Path, plan: Plan) -> None:
    process = OptimiserProcess()
    process.stop()
    with pytest.raises(SoutuError) as raised, process.started(tmp_path, tmp_path / "copy", plan):
        pytest.fail("it was stopped before")
    assert raised.value.reason is Reason.INDEX_UNAVAILABLE
    assert (process.stopped, process.pid) == (True, None)

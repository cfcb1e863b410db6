from pathlib import Path

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
    assert OptimiserProcess().run(tmp_path / "shard", plan) is False


def test_a_failure_is_unavailable_with_the_last_words_of_the_process(tmp_path: Path, plan: Plan) -> None:
    with pytest.raises(SoutuError) as raised:
        OptimiserProcess().run(tmp_path / "nothing", plan)
    assert raised.value.reason is Reason.INDEX_UNAVAILABLE
    assert "does not exist" in str(raised.value.__cause__)


def test_one_that_was_stopped_does_not_start(tmp_path: Path, plan: Plan) -> None:
    process = OptimiserProcess()
    process.stop()
    with pytest.raises(SoutuError) as raised:
        process.run(tmp_path, plan)
    assert raised.value.reason is Reason.INDEX_UNAVAILABLE
    assert (process.stopped, process.pid) == (True, None)

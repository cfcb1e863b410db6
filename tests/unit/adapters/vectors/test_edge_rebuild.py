"""Optimising by a copy: nothing is lost, nothing stands still, whatever ends it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest

from soutu.adapters.vectors.edge_folder import ShardFolder
from soutu.adapters.vectors.edge_plan import plan_for
from soutu.adapters.vectors.edge_process import OptimiserProcess
from soutu.adapters.vectors.edge_shard import OpenShard
from soutu.adapters.vectors.qdrant_edge import QdrantEdgeIndex
from soutu.domain.collection import IndexSpec
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.query import Point
from tests.contract.vectors import mixture, points, unit_vectors

DIMENSION = 16
VECTORS = mixture(1_000, DIMENSION)
PLAN = plan_for(DIMENSION, IndexSpec(), flat_below=100, threads=2)
ROOT = Path(__file__).parents[4]


class Interrupted(OptimiserProcess):
    """Does something before and after the process optimises, in the service."""

    def __init__(self, before: Callable[[], object] = bool, after: Callable[[], object] = bool) -> None:
        super().__init__()
        self._before = before
        self._after = after
        self.runs = 0

    def optimise(self) -> Mapping[str, int] | None:
        self._before()
        self.runs += 1
        optimised = super().optimise()
        self._after()
        return optimised


def opened(directory: Path) -> OpenShard:
    return OpenShard(ShardFolder(directory, 1), PLAN)


@pytest.fixture
def shard(tmp_path: Path) -> OpenShard:
    shard = opened(tmp_path)
    shard.write(points(VECTORS), [])
    return shard


def files_of(directory: Path) -> list[str]:
    return sorted(path.name for path in (directory / "1").iterdir())


def test_writes_and_removals_while_it_runs_are_in_what_takes_over(shard: OpenShard, tmp_path: Path) -> None:
    more = unit_vectors(3_000, DIMENSION, seed=5)

    def before() -> None:
        shard.write([Point(3, 2, VECTORS[0], {"title": "changed", "tags": ("a",)})], [1, 2, 99_999])

    def after() -> None:
        shard.write(points(more, first_uid=2_001), [4])
        shard.write([Point(1, 9, VECTORS[0])], [])

    process = Interrupted(before, after)
    shard.optimize(process)
    assert process.runs == 1
    expected = dict.fromkeys([*range(5, 1_001), *range(2_001, 5_001)], 1) | {1: 9, 3: 2}
    assert shard.entries(0, 10_000) == sorted(expected.items())
    assert {c.uid for c in shard.nearest(VECTORS[:1], 2, 0)[0]} == {1, 3}
    shard.close()
    shard = opened(tmp_path)
    assert shard.entries(0, 10_000) == sorted(expected.items())
    assert files_of(tmp_path) == ["shard", "shard-1"]
    shard.drop()


def test_searches_while_it_runs_find_what_is_there(shard: OpenShard) -> None:
    done, missed, searches = Event(), [], []

    def search() -> None:
        row = 0
        while not done.wait(0.001):  # threads that never rest starve others of the interpreter's lock
            row = (row + 7) % len(VECTORS)
            searches.append(row)
            if row + 1 not in [c.uid for c in shard.nearest(VECTORS[row : row + 1], 3, 0)[0]]:
                missed.append(row)

    searching = [Thread(target=search) for _ in range(2)]
    for thread in searching:
        thread.start()
    shard.optimize(OptimiserProcess())
    done.set()
    for thread in searching:
        thread.join()
    assert len(searches) > 0
    assert missed == []
    shard.drop()


@pytest.mark.slow
def test_writes_go_on_while_it_runs_and_threads_search(shard: OpenShard) -> None:
    """For two seconds at most, or, on a machine that is as slow, three times as long as without it."""
    done, waits_s, numbers = Event(), [0.0], count(10_000)

    def search() -> None:
        while not done.wait(0.001):  # as above
            shard.nearest(VECTORS[:1], 3, 0)

    def write() -> None:
        while not done.wait(0.02):
            began = time.perf_counter()
            shard.write(points(VECTORS[:1], first_uid=next(numbers)), [])
            if len(waits_s) % 50 == 0:
                shard.persist()
            waits_s.append(time.perf_counter() - began)

    beside = [Thread(target=each) for each in (search, search, write)]
    for thread in beside:
        thread.start()
    while len(waits_s) < 60:
        time.sleep(0.1)
    usual_s = max(waits_s)
    waits_s[:] = [0.0]
    process = Interrupted()
    shard.optimize(process)
    done.set()
    for thread in beside:
        thread.join()
    assert process.runs == 1
    assert len(waits_s) > 10
    assert max(waits_s) < max(2.0, 3 * usual_s)
    shard.drop()


@pytest.mark.parametrize("relative", [False, True])
def test_a_directory_behind_a_link_or_named_relatively_keeps_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, relative: bool
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    shard = opened(Path("link") if relative else tmp_path / "link")
    shard.write(points(VECTORS), [])
    shard.optimize(OptimiserProcess())
    assert shard.count() == len(VECTORS)
    shard.close()
    shard = opened(tmp_path / "real")
    assert shard.count() == len(VECTORS)
    shard.close()


def test_a_second_time_nothing_is_copied_or_started(shard: OpenShard, tmp_path: Path) -> None:
    shard.optimize(OptimiserProcess())
    for _ in range(2):
        again = Interrupted()
        shard.write(points(VECTORS[:50], first_uid=5_000), [])
        shard.optimize(again)
        assert again.runs == 0
        shard.close()
        shard = opened(tmp_path)
    shard.drop()


def test_a_small_index_needs_no_process(tmp_path: Path) -> None:
    shard, process = opened(tmp_path), Interrupted()
    shard.optimize(process)
    shard.write(points(VECTORS[:90]), [])
    shard.optimize(process)
    assert process.runs == 0
    shard.drop()


def test_a_process_that_dies_costs_nothing_but_its_work(shard: OpenShard, tmp_path: Path) -> None:
    process = Interrupted()

    def kill() -> None:
        while process.pid is None:
            time.sleep(0.001)
        os.kill(process.pid, signal.SIGKILL)

    Thread(target=kill).start()
    with pytest.raises(SoutuError) as raised:
        shard.optimize(process)
    assert raised.value.reason is Reason.INDEX_UNAVAILABLE
    assert "status -9" in str(raised.value.__cause__)
    assert shard.count() == len(VECTORS)
    assert files_of(tmp_path) == ["shard", "shard-0"]
    shard.optimize(OptimiserProcess())
    assert files_of(tmp_path) == ["shard", "shard-1"]
    shard.drop()


FULL_DISK = """
import shutil
from types import SimpleNamespace

shutil.disk_usage = lambda _: SimpleNamespace(total=10, used=9, free=1)
"""


def test_too_little_disk_is_a_warning(
    shard: OpenShard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "sitecustomize.py").write_text(FULL_DISK)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "full"))
    process = Interrupted()
    shard.optimize(process)
    assert process.runs == 0
    assert "too little disk" in caplog.text
    assert files_of(tmp_path) == ["shard", "shard-0"]
    shard.write(points(VECTORS[:1], first_uid=5_000), [])
    assert shard.count() == len(VECTORS) + 1
    shard.drop()


KILLED = """
import os, signal, sys
from pathlib import Path
from soutu.adapters.vectors.edge_folder import ShardFolder
from soutu.adapters.vectors.edge_process import OptimiserProcess
from soutu.adapters.vectors.edge_shard import OpenShard
from tests.contract.vectors import points
from tests.unit.adapters.vectors.test_edge_rebuild import PLAN, VECTORS, Interrupted

directory, moment = Path(sys.argv[1]), sys.argv[2]
armed = False

def kill(*_):
    print("written", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

def killing(name):
    original = getattr(ShardFolder, name)
    def method(self, *given):
        if armed and moment == "before " + name:
            kill()
        result = original(self, *given)
        if armed and moment == "after " + name:
            kill()
        return result
    return method

names = ["loaded", "point_to", "sweep"]
Killing = type("Killing", (ShardFolder,), {"__slots__": (), **{name: killing(name) for name in names}})
shard = OpenShard(Killing(directory, 1), PLAN)
shard.write(points(VECTORS), [])
armed = True
more = lambda: shard.write(points(VECTORS[:100], first_uid=2_001), [1, 2])
done = kill if moment == "after the process" else bool
shard.optimize(Interrupted(before=more, after=done))
"""
MOMENTS = ["after the process", "before point_to", "after point_to"]
MORE = ["before loaded", "after loaded", "before sweep", "after sweep"]


@pytest.mark.parametrize("moment", [*MOMENTS, *(pytest.param(each, marks=pytest.mark.slow) for each in MORE)])
def test_a_kill_at_any_moment_of_the_exchange_keeps_every_point(tmp_path: Path, moment: str) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), moment],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT / 'service'}:{ROOT}"},
        check=False,
    )
    assert (killed.returncode, killed.stdout) == (-signal.SIGKILL, "written\n"), killed.stderr
    shard = opened(tmp_path)
    assert [uid for uid, _ in shard.entries(0, 10_000)] == [*range(3, 1_001), *range(2_001, 2_101)]
    assert len(files_of(tmp_path)) == 2
    shard.close()


def test_a_shard_made_before_there_were_links_is_taken_over(shard: OpenShard, tmp_path: Path) -> None:
    shard.close()
    (tmp_path / "1" / "shard").unlink()
    (tmp_path / "1" / "shard-0").rename(tmp_path / "1" / "shard")
    shard = opened(tmp_path)
    assert shard.count() == len(VECTORS)
    shard.optimize(OptimiserProcess())
    shard.close()
    assert files_of(tmp_path) == ["seal.json", "shard", "shard-1"]


@pytest.mark.slow
async def test_the_loop_goes_on_while_a_large_graph_is_built(tmp_path: Path) -> None:
    index = QdrantEdgeIndex(tmp_path, threads=2, flat_below=1_000)
    vectors = mixture(20_000, 64)
    await index.open(1, 64, IndexSpec())
    for first in range(0, len(vectors), 500):
        await index.write(1, points(vectors[first : first + 500], first_uid=first + 1), [])
    optimizing, gaps = asyncio.create_task(index.optimize(1)), []
    while not optimizing.done():
        began = time.perf_counter()
        await asyncio.sleep(0.005)
        gaps.append(time.perf_counter() - began)
        if len(gaps) % 20 == 0:
            row = int(np.random.default_rng(len(gaps)).integers(len(vectors)))
            (found,) = await index.nearest(1, vectors[row : row + 1], 3)
            assert row + 1 in [c.uid for c in found]
    await optimizing
    assert max(gaps) < 0.5
    await index.close()

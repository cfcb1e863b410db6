"""The optimising process ends with whoever wanted it: its index, or the service."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from soutu.adapters.vectors.qdrant_edge import QdrantEdgeIndex
from soutu.domain.collection import IndexSpec
from soutu.domain.errors import SoutuError
from tests.contract.vectors import mixture, points
from tests.unit.adapters.vectors.test_edge_rebuild import ROOT, files_of


def children() -> list[psutil.Process]:
    """The optimising processes of this one that live."""
    return [child for child in psutil.Process().children() if "edge_optimise" in command_of(child)]


def command_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:  # it has just ended
        return ""


async def optimizing(directory: Path) -> tuple[QdrantEdgeIndex, "asyncio.Task[None]"]:
    """An index whose optimising process has started and will take seconds."""
    index = QdrantEdgeIndex(directory, threads=2, flat_below=100)
    await index.open(1, 64, IndexSpec())
    await index.write(1, points(mixture(8_000, 64)), [])
    task = asyncio.create_task(index.optimize(1))
    while not await asyncio.to_thread(children):
        await asyncio.sleep(0.01)
    return index, task


@pytest.mark.parametrize("end", ["close", "drop", "cancel"])
async def test_ending_the_index_ends_the_process_at_once(tmp_path: Path, end: str) -> None:
    index, task = await optimizing(tmp_path)
    began = time.monotonic()
    if end == "close":
        await index.close()
    elif end == "drop":
        await index.drop(1)
    else:
        task.cancel()
    (outcome,) = await asyncio.gather(task, return_exceptions=True)
    assert isinstance(outcome, SoutuError if end != "cancel" else asyncio.CancelledError)
    while await asyncio.to_thread(children):
        await asyncio.sleep(0.01)
    assert time.monotonic() - began < 2.0
    if end == "cancel":
        assert await index.count(1) == 8_000
    if end != "close":
        await index.close()
    index = QdrantEdgeIndex(tmp_path, threads=2, flat_below=100)
    assert await index.open(1, 64, IndexSpec()) is (end != "drop")
    assert files_of(tmp_path) == ["shard", "shard-0"]
    await index.close()


OPTIMISING = """
import asyncio, sys
from pathlib import Path
from tests.unit.adapters.vectors.test_edge_ending import children, optimizing

async def main():
    index, task = await optimizing(Path(sys.argv[1]))
    print(children()[0].pid, flush=True)
    await task

asyncio.run(main())
"""


async def test_the_process_dies_with_a_service_that_is_killed(tmp_path: Path) -> None:
    service = subprocess.Popen(
        [sys.executable, "-c", OPTIMISING, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT / 'service'}:{ROOT}"},
    )
    assert service.stdout is not None
    child = int(service.stdout.readline())
    service.kill()
    service.wait()
    service.stdout.close()
    until = time.monotonic() + 2
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until, "the optimising process outlives the service"
        await asyncio.sleep(0.01)
    index = QdrantEdgeIndex(tmp_path, threads=2, flat_below=100)
    assert await index.open(1, 64, IndexSpec()) is True
    assert await index.count(1) == 8_000
    await index.close()

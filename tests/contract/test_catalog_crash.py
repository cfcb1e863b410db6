"""Nothing acknowledged is lost, whenever the process dies."""

import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.contract.catalog_fixtures import DRAFT, MODEL, opened

_ROOT = Path(__file__).parents[2]
_AFTER_S = (0.05, 0.13, 0.21, 0.37)  # after a writer's first acknowledgement


def _killed_writer(directory: Path, round_name: str, after_s: float) -> list[str]:
    """The ids acknowledged by a writer that was killed `after_s` after its first."""
    command = [sys.executable, "-m", "tests.contract.catalog_writer", str(directory), round_name]
    environment = os.environ | {"PYTHONPATH": f"{_ROOT / 'service'}:{_ROOT}"}
    with subprocess.Popen(command, cwd=_ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(after_s)
        process.kill()
        acknowledged = (first + process.stdout.read()).split("\n")
    return [line for line in acknowledged[:-1] if line]


@pytest.mark.slow
async def test_every_acknowledged_write_survives_kill_9(tmp_path: Path) -> None:
    catalog = await opened(tmp_path)
    collection = await catalog.create_collection(DRAFT)
    await catalog.close()
    acknowledged: list[str] = []
    for turn in range(len(_AFTER_S)):
        acknowledged += _killed_writer(tmp_path, f"r{turn}", _AFTER_S[turn])
    assert len(acknowledged) > 5 * len(_AFTER_S)

    catalog = await opened(tmp_path)
    found = await catalog.image_ids(collection.uid, acknowledged)
    head = (await catalog.head("pictures")).collection
    changes = await catalog.changes(collection.uid, MODEL, 0, 10**6)
    await catalog.close()
    assert set(found) == set(acknowledged)
    assert len({change.image.id.rsplit("-", 1)[0] for change in changes if change.image}) * 5 == len(changes)
    assert [change.revision for change in changes] == list(range(1, head.revision + 1))
    assert head.image_count == len(changes)
    with sqlite3.connect(tmp_path / "catalog.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    database.close()


async def test_an_interrupted_deletion_is_finished_at_the_next_opening(tmp_path: Path) -> None:
    catalog = await opened(tmp_path)
    collection = await catalog.create_collection(DRAFT)
    await catalog.close()
    with sqlite3.connect(tmp_path / "catalog.db") as database:  # as a kill after its first step leaves it
        database.execute("UPDATE collections SET id = NULL")
    database.close()
    catalog = await opened(tmp_path)
    again = await catalog.create_collection(DRAFT)
    await catalog.close()
    assert again.uid > collection.uid
    with sqlite3.connect(tmp_path / "catalog.db") as database:
        assert database.execute("SELECT COUNT(*) FROM collections").fetchone() == (1,)
    database.close()

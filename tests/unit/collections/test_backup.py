"""Backups: what is done while no content may be removed."""

import asyncio
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pytest

from soutu.collections.backup import Backups
from soutu.domain.backup import Manifest, Snapshot
from soutu.domain.operation import Operation, OperationKind, OperationState
from soutu.observe.clock import SystemClock
from soutu.operations.job import Job
from tests.unit.ingest.fakes import THEN


@dataclass
class Folders:
    """BackupFolders, and the one folder that they open. Every step notes whether `removals` was held; once
    tidying has `begun`, it waits while `gate` is closed."""

    path: Path
    removals: asyncio.Lock = field(default_factory=asyncio.Lock)
    begun: threading.Event = field(default_factory=threading.Event)
    gate: threading.Event = field(default_factory=threading.Event)
    steps: list[tuple[str, bool]] = field(default_factory=list)
    objects: Any = None

    def note(self, step: str) -> None:
        self.steps.append((step, self.removals.locked()))

    async def check(self, path: Path) -> None:
        self.note("check")

    async def open(self, path: Path) -> "Folders":
        self.note("open")
        return self

    def catalog(self, moment: datetime) -> Path:
        return self.path / "catalog.db"

    def keep_private(self) -> int:
        return 0

    def finish(self, manifest: Manifest) -> None:
        self.note("finish")

    def tidy(self, manifest: Manifest) -> None:
        self.begun.set()
        self.gate.wait(10)
        self.note("tidy")

    def tidy_contents(self, prefix: str, wanted: Collection[str]) -> None:
        if prefix == "ff":
            self.note("tidy contents")


class EmptyCatalog:
    """A Catalog without contents."""

    def check_snapshots(self) -> None:
        """It can be copied."""

    async def create_operation(self, kind: OperationKind, *rest: object) -> Operation:
        return Operation(1, "op1", kind, 0, "", OperationState.PENDING, {"path": rest[-1]}, THEN, THEN)

    async def snapshot(self, path: Path) -> Snapshot:
        path.write_bytes(b"catalogue")
        return Snapshot(THEN, "1", 0, 0, "")

    async def snapshot_contents(self, path: Path, prefix: str) -> Sequence[str]:
        return []


def backups(folders: Folders) -> Backups:
    catalog = cast(Any, EmptyCatalog())
    clock = SystemClock()
    return Backups(catalog, cast(Any, None), cast(Any, folders), clock, folders.removals, [folders.path])


def job(path: Path) -> Job:
    request = {"path": str(path)}
    operation = Operation(1, "op1", OperationKind.BACKUP, 0, "", OperationState.RUNNING, request, THEN, THEN)
    return Job(operation, "me", SystemClock())


async def test_asking_for_a_backup_only_looks(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    await backups(folders).begin(str(tmp_path))
    assert folders.steps == [("check", False)]


async def test_nothing_is_removed_beside_another_backup(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    folders.gate.set()
    await backups(folders).run(job(tmp_path))
    assert folders.steps == [("open", True), ("finish", True), ("tidy", True), ("tidy contents", True)]


async def test_a_backup_that_is_cancelled_ends_its_step_before_it_lets_go(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    running = asyncio.create_task(backups(folders).run(job(tmp_path)))
    await asyncio.to_thread(folders.begun.wait, 10)
    running.cancel()
    await asyncio.sleep(0.05)
    assert folders.removals.locked()
    folders.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert folders.steps[-1] == ("tidy", True)
    assert not folders.removals.locked()

"""Shards: what was done, what was refused and how far it came are one commit."""

from typing import cast

from soutu.domain.operation import Operation, OperationKind, OperationState, Progress
from soutu.domain.writing import Failure, Remove
from soutu.ingest.commits import Commits
from soutu.ingest.followers import Followers
from soutu.ingest.record import Deed, Recorder
from soutu.ingest.tally import CHANGED, FAILED, UNCHANGED, VANISHED, Tally
from soutu.observe.clock import SystemClock
from soutu.operations.job import Job
from soutu.ports import Catalog
from tests.unit.ingest.fakes import THEN, ListCatalog
from tests.unit.ingest.test_commits import Reached

OPERATION = Operation(7, "op", OperationKind.SYNC, 5, "c", OperationState.RUNNING, {}, THEN, THEN, Progress())
BROKEN = Failure("broken.jpg", "IMAGE_UNREADABLE", "It is damaged.")


async def test_refusals_are_recorded_in_the_commit_that_moves_the_cursor() -> None:
    catalog, job = ListCatalog(refused={"b"}), Job(OPERATION, "me", SystemClock())
    commits = Commits(cast(Catalog, catalog), cast(Followers, Reached(g1=100)), 0.1, 100)
    recorder = Recorder(job, await catalog.head("c"), commits, Tally((0, "a"), counts={UNCHANGED: 4}))
    deeds = [Deed(CHANGED, "a.jpg", Remove("a")), Deed(VANISHED, "b.jpg", Remove("b"))]
    await recorder.write(deeds, (BROKEN,), unchanged=2)
    (checkpoint,) = catalog.checkpoints
    assert [(each.subject, each.reason) for each in checkpoint.failures] == [
        ("broken.jpg", "IMAGE_UNREADABLE"),
        ("b.jpg", "IMAGE_CHANGED_MEANWHILE"),
    ]
    assert (checkpoint.done, checkpoint.failed, checkpoint.owner) == (9, 2, "me")
    kept = Tally.parsed(checkpoint.cursor)
    assert {name: number for name, number in kept.counts.items() if number} == {
        UNCHANGED: 6,
        CHANGED: 1,
        FAILED: 2,
    }
    assert (kept.place, kept.revision) == ((0, "a"), catalog.revision)
    assert recorder.tally == kept
    assert (job.progress.done, job.progress.failed) == (9, 2)

"""Shards: what was worked out is written in one commit together with how far the operation has come."""

import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, replace

from soutu.domain.collection import Head
from soutu.domain.errors import SoutuError
from soutu.domain.writing import Checkpoint, Commit, Failure, Put, Write
from soutu.ingest.commits import Commits
from soutu.ingest.files import Handled
from soutu.ingest.tally import ADDED, CHANGED, FAILED, UNCHANGED, Tally
from soutu.operations.job import Job

_SHARD_WRITES = 64
_SHARD_ITEMS = 4_096
_SHARD_S = 2.0


@dataclass(frozen=True, slots=True)
class Deed:
    """A write, the path that it is about, and what it counts as."""

    counts_as: str
    path: str
    write: Write


class Recorder:
    """Commits the work of one operation, shard by shard."""

    def __init__(self, job: Job, head: Head, commits: Commits, tally: Tally) -> None:
        self.tally = tally
        self._job = job
        self._head = head
        self._commits = commits

    async def take(self, shard: Sequence[Handled]) -> None:
        """Commits what came of a stretch of the source."""
        deeds = [
            Deed(CHANGED if each.known else ADDED, each.item.path, each.outcome)
            for each in shard
            if isinstance(each.outcome, Put)
        ]
        failures = tuple(each.outcome for each in shard if isinstance(each.outcome, Failure))
        unchanged = sum(each.outcome is None for each in shard)
        remarks = tuple(each.remark for each in shard if each.remark)
        self.tally = replace(self.tally, place=shard[-1].item.place)
        await self.write(deeds, failures, unchanged, remarks)

    async def write(
        self,
        deeds: Sequence[Deed],
        failures: tuple[Failure, ...] = (),
        unchanged: int = 0,
        remarks: tuple[Failure, ...] = (),
    ) -> None:
        """Commits the deeds; those that the catalogue refuses are failures, too. `remarks` are recorded as
        failures are and count as nothing. IMAGE_CHANGED_MEANWHILE once the operation is no longer ours."""
        counted = Counter(deed.counts_as for deed in deeds)
        before = self.tally.plus(counted + Counter({UNCHANGED: unchanged, FAILED: len(failures)}))
        job = self._job

        def reckoned(commit: Commit) -> Checkpoint:
            tally, refused = _reckoned(before, deeds, commit)
            text, everything = tally.text(), (*failures, *remarks, *refused)
            return Checkpoint(job.operation.uid, text, tally.done, tally.failed, everything, owner=job.owner)

        writes = [deed.write for deed in deeds]
        commit = await self._commits.commit(self._head, writes, checkpoint=reckoned)
        self.tally, _ = _reckoned(before, deeds, commit)
        job.progress = replace(job.progress, done=self.tally.done, failed=self.tally.failed)
        await self._commits.waited(self._head, self.tally.revision)


def _reckoned(before: Tally, deeds: Sequence[Deed], commit: Commit) -> tuple[Tally, Sequence[Failure]]:
    """The tally once it is known which deeds the catalogue has refused, and these as failures."""
    refused = [
        (deed.counts_as, Failure(deed.path, outcome.reason.name, outcome.message))
        for deed, outcome in zip(deeds, commit.outcomes, strict=True)
        if isinstance(outcome, SoutuError)
    ]
    less = Counter(counts_as for counts_as, _ in refused)
    corrected = {FAILED: len(refused)} | {what: -count for what, count in less.items()}
    tally = replace(before.plus(corrected), revision=commit.revision)
    return tally, [failure for _, failure in refused]


async def shards(handled: AsyncIterator[Handled]) -> AsyncGenerator[Sequence[Handled], None]:
    """The results in stretches that are worth a commit: by writes, by items, and at last by time."""
    shard: list[Handled] = []
    writes, begun_s = 0, time.monotonic()
    async for each in handled:
        shard.append(each)
        writes += isinstance(each.outcome, Put)
        late = time.monotonic() - begun_s > _SHARD_S
        if writes >= _SHARD_WRITES or len(shard) >= _SHARD_ITEMS or late:
            yield shard
            shard, writes, begun_s = [], 0, time.monotonic()
    if shard:
        yield shard

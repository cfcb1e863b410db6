"""The write transaction: images, embeddings, request id, checkpoint and revision, all or nothing."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from soutu.adapters.catalog.collections import live_revision, move_revision
from soutu.adapters.catalog.engine import Database
from soutu.adapters.catalog.flush import flush
from soutu.adapters.catalog.gather import deletions_of, images_of, lost_contents
from soutu.adapters.catalog.ledger import DRAFT_UID, Ledger, runs
from soutu.adapters.catalog.part import CatalogPart
from soutu.adapters.catalog.progress import record_checkpoint
from soutu.adapters.catalog.replay import first_answer, remember
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.writing import Checkpoint, Commit, Put, Reckoning, Request, Write, Written
from soutu.ports import Clock

Outcome = Written | SoutuError


class SqlCommits(CatalogPart):
    """Keeps the writing part of the Catalog port.

    Commits take half of the connections that write, at the most: while they wait for a collection's lock,
    followers tell how far they are.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, clock)
        self._commits = asyncio.Semaphore(max(database.writers // 2, 1))

    async def commit(
        self,
        collection_uid: int,
        writes: Sequence[Write],
        *,
        request: Request | None = None,
        checkpoint: Checkpoint | Reckoning | None = None,
    ) -> Commit:
        """All of it in one durable transaction; a write that cannot be is an outcome, and the others go on.

        A request is remembered once it has any outcome that is not an error. COLLECTION_NOT_FOUND;
        REQUEST_ID_REUSED; IMAGE_CHANGED_MEANWHILE when the checkpoint's operation is no longer running.
        """
        now, touched = self._clock.now(), set[int]()

        async def work(connection: AsyncConnection) -> Commit:
            revision = await live_revision(connection, collection_uid)
            if request is not None:
                known = await first_answer(connection, collection_uid, request)
                if known is not None:
                    return known
            done = await _write_all(connection, _Scene(collection_uid, revision, now), writes, touched)
            if checkpoint is not None:
                made = checkpoint(done) if callable(checkpoint) else checkpoint
                await record_checkpoint(connection, made, now)
            if request is not None and any(isinstance(outcome, Written) for outcome in done.outcomes):
                await remember(connection, collection_uid, request, done, now)
            return done

        async with self._commits:
            return await self._database.write(work, lambda: self._database.memory.forget(touched))


@dataclass(frozen=True, slots=True)
class _Scene:
    """The collection that is written to, at the revision it has, and when."""

    collection_uid: int
    revision: int
    now: datetime


async def _write_all(
    connection: AsyncConnection, scene: _Scene, writes: Sequence[Write], touched: set[int]
) -> Commit:
    """Does all writes; the uids of images that were changed or removed are added to `touched`."""
    outcomes: list[Outcome] = []
    revision, more_images = scene.revision, 0
    for run in runs(writes):
        ledger, written = await _write_run(connection, replace(scene, revision=revision), run)
        outcomes += written
        touched |= {image.uid for image in [*ledger.changed, *(gone for gone, _ in ledger.removed)]}
        revision = ledger.revision
        more_images += len(ledger.created) - len(ledger.removed)
    if revision != scene.revision:
        await move_revision(connection, scene.collection_uid, revision, more_images)
    return Commit(tuple(outcomes), revision)


async def _write_run(
    connection: AsyncConnection, scene: _Scene, run: Sequence[Write]
) -> tuple[Ledger, Sequence[Outcome]]:
    images = await images_of(connection, scene.collection_uid, run)
    deletions = await deletions_of(connection, scene.collection_uid, run)
    ledger = Ledger(scene.collection_uid, scene.revision, scene.now, images, deletions)
    lost = await lost_contents(connection, run)
    outcomes = [_refusal(write, lost) or ledger.outcome(write) for write in run]
    in_force = [write for write, outcome in zip(run, outcomes, strict=True) if isinstance(outcome, Written)]
    uids = await flush(connection, ledger, in_force, scene.revision, scene.now)
    return ledger, [_numbered(outcome, uids) for outcome in outcomes]


def _refusal(write: Write, lost: Collection[str]) -> SoutuError | None:
    if isinstance(write, Put) and write.held and write.content.sha256 in lost:
        message = f"The bytes of the image {write.image_id} were purged while the call ran."
        return SoutuError(Reason.IMAGE_CHANGED_MEANWHILE, message, image=write.image_id)
    return None


def _numbered(outcome: Outcome, uids: Mapping[int, int]) -> Outcome:
    """The outcome with the uid that its new image was given, known by its revision."""
    if isinstance(outcome, Written) and outcome.image is not None and outcome.image.uid == DRAFT_UID:
        return replace(outcome, image=replace(outcome.image, uid=uids[outcome.image.revision]))
    return outcome

"""Imports: an export becomes images of a collection, with their ids, metadata and embeddings.

Each shard is one commit that moves the cursor, too, so an import that is cut off goes on where it was. An
image whose id is taken is replaced: the same import twice is the same as once. A bad one never stops the
others.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from soutu.collections.intake import Intake
from soutu.collections.places import existing_place
from soutu.domain.collection import CollectionChanges, Head
from soutu.domain.errors import Reason, SoutuError, invalid_field
from soutu.domain.exchange import Exported, ExportHeader
from soutu.domain.operation import Operation, OperationKind, Progress
from soutu.domain.writing import Checkpoint, Commit, Failure, Put
from soutu.ingest.commits import Commits
from soutu.ingest.upload import models_of
from soutu.operations.job import Job
from soutu.ports import Catalog

_SHARD = 256


class ReadExport(Protocol):
    """An export to be read. Everything blocks."""

    header: ExportHeader
    total: int

    def read(self, start: int, limit: int) -> Sequence[Exported]:
        """Up to `limit` images from row `start` on; none at the end."""
        ...

    def original(self, sha256: str, limit_bytes: int) -> bytes | None:
        """The bytes that are kept under this hash, unproven; None where there are none, or more."""
        ...

    def close(self) -> None:
        """Closes its files."""
        ...


class ReadsExports(Protocol):
    """Opens exports. Everything blocks."""

    def read(self, path: Path) -> ReadExport:
        """SOURCE_NOT_FOUND where there is none; FEATURE_UNIMPLEMENTED where the format's library is not."""
        ...


class Imports:
    """The import story; also the work of its operation."""

    def __init__(
        self,
        catalog: Catalog,
        commits: Commits,
        intake: Intake,
        folders: ReadsExports,
        roots: Sequence[Path],
    ) -> None:
        self._catalog = catalog
        self._commits = commits
        self._intake = intake
        self._folders = folders
        self._roots = roots

    async def begin(self, collection_id: str, path: str) -> Operation:
        """Begins to take an export into a collection, which gets the attributes that it lacks:
        SOURCE_NOT_ALLOWED, SOURCE_NOT_FOUND, FIELD_INVALID where an attribute has another type there,
        COLLECTION_BUSY."""
        head = await self._catalog.head(collection_id)
        place = await asyncio.to_thread(existing_place, path, self._roots)
        export = await asyncio.to_thread(self._folders.read, place)
        await asyncio.to_thread(export.close)
        await self._adopt(head, export.header)
        return await self._catalog.create_operation(
            OperationKind.IMPORT,
            head.collection.uid,
            collection_id,
            {"path": str(place), "started_at": head.collection.revision},
        )

    async def run(self, job: Job) -> Mapping[str, object]:
        """The work of an import operation."""
        place = await asyncio.to_thread(existing_place, str(job.operation.request["path"]), self._roots)
        export = await asyncio.to_thread(self._folders.read, place)
        try:
            row = int(job.operation.cursor or 0)
            job.progress = replace(job.progress, total=export.total)
            while shard := await asyncio.to_thread(export.read, row, _SHARD):
                row += len(shard)
                await self._take(job, export, shard, row)
        finally:
            await asyncio.to_thread(export.close)
        progress = job.progress
        return {"image_count": progress.done - progress.failed, "failed": progress.failed}

    async def give_up(self, operation: Operation) -> None:
        """What was taken in stays."""

    async def _take(self, job: Job, export: ReadExport, shard: Sequence[Exported], row: int) -> None:
        head = await self._catalog.head(job.operation.collection_id)
        if head.collection.uid != job.operation.collection_uid:
            raise SoutuError(Reason.COLLECTION_NOT_FOUND)
        models = frozenset(await models_of(self._catalog, head))
        started_at = int(str(job.operation.request["started_at"]))
        results = await self._intake.puts(export, shard, (head.collection, models, started_at))
        puts = [each for each in results if isinstance(each, Put)]
        failures = tuple(each for each in results if isinstance(each, Failure))
        before = job.progress
        await self._commit(job, head, puts, failures, (row, before))

    async def _commit(
        self,
        job: Job,
        head: Head,
        puts: Sequence[Put],
        failures: tuple[Failure, ...],
        place: tuple[int, Progress],
    ) -> None:
        """Commits a shard, together with what is refused of it."""
        row, before = place

        def reckoned(commit: Commit) -> Checkpoint:
            failed = (*failures, *commit.refusals(puts))
            done = before.done + len(puts) + len(failures)
            uid = job.operation.uid
            return Checkpoint(uid, str(row), done, before.failed + len(failed), failed, owner=job.owner)

        commit = await self._commits.commit(head, puts, checkpoint=reckoned)
        made = reckoned(commit)
        job.progress = replace(job.progress, done=made.done, failed=made.failed)
        await self._commits.waited(head, commit.revision)

    async def _adopt(self, head: Head, header: ExportHeader) -> None:
        own = head.collection.attributes
        for name, kind in header.attributes.items():
            if own.get(name, kind) is not kind:
                raise invalid_field(
                    f"attributes.{name}",
                    f"is of type {kind} in the export and of {own[name]} in the collection",
                )
        lacking = {name: kind for name, kind in header.attributes.items() if name not in own}
        if lacking:
            changes = CollectionChanges(attributes=lacking)
            await self._catalog.update_collection(head.collection.uid, changes)

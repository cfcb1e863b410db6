"""Exports: a collection written to files, image by image as each is when its page is read."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from soutu.collections.places import allowed_place
from soutu.domain.collection import Head
from soutu.domain.errors import Reason, SoutuError, Status
from soutu.domain.exchange import Exported, ExportFormat, ExportHeader
from soutu.domain.image import Image
from soutu.domain.operation import Operation, OperationKind
from soutu.domain.writing import Checkpoint, Failure
from soutu.ingest.commits import Commits
from soutu.operations.job import Job
from soutu.ports import Catalog, Originals

_PAGE = 512  # a row group, too
_AT_ONCE = 8
_FAILURES = 10_000


class WrittenExport(Protocol):
    """An export under way. Everything blocks."""

    def write(self, rows: Sequence[Exported]) -> None:
        """Adds these images."""
        ...

    def keep(self, sha256: str, data: bytes) -> None:
        """Adds an original."""
        ...

    def finish(self) -> int:
        """Gives it its name, whole and durable; how many bytes it has."""
        ...

    def discard(self) -> None:
        """Removes it, unless it is finished."""
        ...


class WritesExports(Protocol):
    """Makes exports. Everything blocks."""

    def check(self, path: Path, format: ExportFormat) -> None:  # noqa: A002
        """FIELD_INVALID unless an export can be made there; FEATURE_UNIMPLEMENTED where the format's library
        is not."""
        ...

    def write(self, path: Path, header: ExportHeader) -> WrittenExport:
        """FIELD_INVALID where something is there; FEATURE_UNIMPLEMENTED where the format's library is not."""
        ...


class Exports:
    """The export story; also the work of its operation."""

    def __init__(
        self,
        catalog: Catalog,
        originals: Originals,
        commits: Commits,
        folders: WritesExports,
        roots: Sequence[Path],
    ) -> None:
        self._catalog = catalog
        self._originals = originals
        self._commits = commits
        self._folders = folders
        self._roots = roots

    async def begin(
        self,
        collection_id: str,
        generation_id: str,
        path: str,
        format: ExportFormat,  # noqa: A002
        *,
        originals: bool,
    ) -> Operation:
        """Begins to export a collection with the embeddings of its active or the named generation:
        SOURCE_NOT_ALLOWED, FIELD_INVALID where the directory holds anything, FEATURE_UNIMPLEMENTED where the
        format's library is not installed."""
        head = await self._catalog.head(collection_id, generation_id)
        place = await asyncio.to_thread(allowed_place, path, self._roots)
        await asyncio.to_thread(self._folders.check, place, format)
        request = {
            "path": str(place),
            "generation": head.generation.id,
            "format": format.value,
            "originals": originals,
        }
        return await self._catalog.create_operation(
            OperationKind.EXPORT, head.collection.uid, collection_id, request
        )

    async def run(self, job: Job) -> Mapping[str, object]:
        """The work of an export operation; one that is interrupted begins again."""
        request = job.operation.request
        head = await self._catalog.head(job.operation.collection_id, str(request["generation"]))
        if head.collection.uid != job.operation.collection_uid:
            raise SoutuError(Reason.COLLECTION_NOT_FOUND)
        place = await asyncio.to_thread(allowed_place, str(request["path"]), self._roots)
        export = await asyncio.to_thread(self._folders.write, place, _header(head, str(request["format"])))
        job.progress = replace(job.progress, total=head.collection.image_count, done=0, failed=0)
        try:
            failures = await self._pages(job, head, export)
            size_bytes = await asyncio.to_thread(export.finish)
        except BaseException:
            await asyncio.to_thread(export.discard)
            raise
        await self._record(job, head, failures)
        return {"image_count": job.progress.done, "size_bytes": size_bytes}

    async def give_up(self, operation: Operation) -> None:
        """What was written was removed when the work ended."""

    async def _pages(self, job: Job, head: Head, export: WrittenExport) -> Sequence[Failure]:
        after, failures = "", list[Failure]()
        while page := await self._catalog.list_images(head.collection.uid, after, _PAGE):
            after = page[-1].id
            await asyncio.to_thread(export.write, await self._rows(head, page))
            if job.operation.request["originals"]:
                failures += await self._keep(export, page)
            done, failed = job.progress.done + len(page), len(failures)
            job.progress = replace(job.progress, done=done, failed=failed)
        return failures[:_FAILURES]

    async def _rows(self, head: Head, page: Sequence[Image]) -> Sequence[Exported]:
        sha256s = [image.content.sha256 for image in page]
        vectors = await self._catalog.embeddings(head.generation.model, sha256s)
        return [Exported(image, vectors.get(image.content.sha256)) for image in page]

    async def _keep(self, export: WrittenExport, page: Sequence[Image]) -> Sequence[Failure]:
        """Adds the originals of a page; those that cannot be read are failures."""
        turns = asyncio.Semaphore(_AT_ONCE)

        async def keep(image: Image) -> Failure | None:
            async with turns:
                try:
                    data = await self._originals.read(image)
                except SoutuError as error:
                    if error.reason.status is Status.UNAVAILABLE:
                        raise
                    return Failure(image.id, error.reason.name, error.message)
                await asyncio.to_thread(export.keep, image.content.sha256, data)
                return None

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(keep(image)) for image in page]
        return [failure for task in tasks if (failure := task.result())]

    async def _record(self, job: Job, head: Head, failures: Sequence[Failure]) -> None:
        if failures:
            progress = job.progress
            checkpoint = Checkpoint(
                job.operation.uid, "", progress.done, progress.failed, tuple(failures), owner=job.owner
            )
            await self._commits.commit(head, [], checkpoint=checkpoint)


def _header(head: Head, format: str) -> ExportHeader:  # noqa: A002
    collection, generation = head.collection, head.generation
    return ExportHeader(
        ExportFormat(format), collection.id, collection.attributes, generation.model, generation.dimension
    )

"""Building: a source becomes images, shard by shard; each shard is one commit that moves the cursor, too."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from soutu.domain.errors import Reason, SoutuError
from soutu.domain.image import Image
from soutu.domain.operation import Operation
from soutu.domain.revision import revision_text
from soutu.domain.writing import Checkpoint, Failure, Put
from soutu.ingest.commits import Commits
from soutu.ingest.files import FileReader
from soutu.ingest.site import BuildRequest, Site
from soutu.ingest.sources import SourceFile, allowed_directory, list_files
from soutu.ingest.tally import Tally
from soutu.ingest.upload import models_of
from soutu.operations.job import Job
from soutu.ports import Catalog

_SHARD = 64


@dataclass(frozen=True, slots=True)
class Shard:
    """A stretch of a source as it was read."""

    puts: tuple[Put, ...]
    failures: tuple[Failure, ...]
    unchanged: int
    last_path: str


class Builds:
    """The build story. A shard is read while the one before it is committed, so that neither the cores nor
    the disk wait for the other."""

    def __init__(self, catalog: Catalog, files: FileReader, commits: Commits, roots: Sequence[Path]) -> None:
        self._catalog = catalog
        self._files = files
        self._commits = commits
        self._roots = roots

    async def run(self, job: Job) -> Mapping[str, object]:
        """The work of a build operation, whose request is a `BuildRequest`."""
        site = await self._site(job)
        tally = Tally.parsed(job.operation.cursor)
        files = await asyncio.to_thread(list_files, site.source)
        job.progress = replace(job.progress, total=len(files), done=tally.done, failed=tally.failed)
        tally = await self._build(job, site, [file for file in files if file.path > tally.path], tally)
        await self._commits.waited(site.head, tally.revision)
        return tally.result(revision_text(site.head.collection.uid, tally.revision))

    async def give_up(self, operation: Operation) -> None:
        """What was built stays."""

    async def _site(self, job: Job) -> Site:
        request = BuildRequest.parsed(job.operation.request)
        head = await self._catalog.head(job.operation.collection_id)
        if head.collection.uid != job.operation.collection_uid:
            raise SoutuError(Reason.COLLECTION_NOT_FOUND)
        directory = allowed_directory(str(request.source.path), self._roots)
        models = frozenset(await models_of(self._catalog, head))
        source = replace(request.source, path=directory)
        return Site(head, source, request.keeping, models, request.started_at)

    async def _build(self, job: Job, site: Site, files: Sequence[SourceFile], tally: Tally) -> Tally:
        ahead: asyncio.Task[Shard] | None = None
        try:
            for start in range(0, len(files) + _SHARD, _SHARD):
                reading, ahead = ahead, self._begin(site, files[start : start + _SHARD])
                if reading:
                    tally = await self._commit(job, site, await reading, tally)
            return tally
        finally:
            if ahead:
                ahead.cancel()

    def _begin(self, site: Site, files: Sequence[SourceFile]) -> asyncio.Task[Shard] | None:
        return asyncio.create_task(self._read(site, files)) if files else None

    async def _read(self, site: Site, files: Sequence[SourceFile]) -> Shard:
        known = await self._catalog.images_by_path(
            site.head.collection.uid, str(site.source.path), [file.path for file in files]
        )
        fresh = [file for file in files if not _is_as_before(known.get(file.path), file)]
        results = await self._files.read(site, fresh, known)
        puts = tuple(result for result in results if isinstance(result, Put))
        failures = tuple(result for result in results if isinstance(result, Failure))
        return Shard(puts, failures, len(files) - len(fresh), files[-1].path)

    async def _commit(self, job: Job, site: Site, shard: Shard, tally: Tally) -> Tally:
        tally = tally.after(shard.last_path, len(shard.puts), shard.unchanged, len(shard.failures))
        checkpoint = Checkpoint(
            job.operation.uid, tally.text(), tally.done, tally.failed, shard.failures, owner=job.owner
        )
        commit = await self._commits.commit(site.head, shard.puts, checkpoint=checkpoint)
        job.progress = replace(job.progress, done=tally.done, failed=tally.failed)
        await self._commits.waited(site.head, commit.revision)
        return replace(tally, revision=commit.revision)


def _is_as_before(image: Image | None, file: SourceFile) -> bool:
    if image is None:
        return False
    return (image.original.mtime_ns, image.content.size_bytes) == (file.mtime_ns, file.size_bytes)

"""Building: a source becomes images, shard by shard; each shard is one commit that moves the cursor, too."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace

from soutu.domain.collection import Head
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.operation import Operation
from soutu.domain.revision import revision_text
from soutu.ingest.commits import Commits
from soutu.ingest.files import FileReader
from soutu.ingest.opening import Sources
from soutu.ingest.record import Recorder, shards
from soutu.ingest.site import BuildRequest, Site
from soutu.ingest.sources import Item, Place
from soutu.ingest.tally import ADDED, CHANGED, FAILED, UNCHANGED, Tally
from soutu.operations.job import Job
from soutu.ports import Catalog

_FAILURES_PAGE = 1_000


class Builds:
    """The build story. Images are read while the shard before them is committed, so that neither the cores
    nor the disk wait for the other."""

    def __init__(self, catalog: Catalog, sources: Sources, files: FileReader, commits: Commits) -> None:
        self._catalog = catalog
        self._sources = sources
        self._files = files
        self._commits = commits

    async def run(self, job: Job) -> Mapping[str, object]:
        """The work of a build operation, whose request is a `BuildRequest`."""
        request = BuildRequest.parsed(job.operation.request)
        head = await head_of(self._catalog, job.operation)
        source = await asyncio.to_thread(self._sources.opened, request.source, head.collection.attributes)
        site = Site(head, source, request.keeping, frozenset(), request.started_at)
        try:
            tally = await self._build(job, site, request.retry_of)
        finally:
            source.close()
        await self._commits.waited(head, tally.revision)
        return _result(tally, head)

    async def give_up(self, operation: Operation) -> None:
        """What was built stays."""

    async def _build(self, job: Job, site: Site, retry_of: str) -> Tally:
        tally = Tally.parsed(job.operation.cursor, await asyncio.to_thread(lambda: site.source.stamp))
        items = await self._items(site, retry_of, tally.place)
        job.progress = replace(
            job.progress, total=tally.done + len(items), done=tally.done, failed=tally.failed
        )
        recorder = Recorder(job, site.head, self._commits, tally)
        async with (
            aclosing(self._files.handled(site, items)) as handled,
            aclosing(shards(handled)) as all_shards,
        ):
            async for shard in all_shards:
                await recorder.take(shard)
        return recorder.tally

    async def _items(self, site: Site, retry_of: str, after: Place) -> Sequence[Item]:
        listing = await asyncio.to_thread(site.source.listing)
        items = [item for item in listing.items if item.place > after]
        if not retry_of:
            return items
        failed = await failed_paths(self._catalog, retry_of)
        return [item for item in items if item.path in failed]


async def head_of(catalog: Catalog, operation: Operation) -> Head:
    """The head of the very collection that the operation is about; COLLECTION_NOT_FOUND once it is gone."""
    head = await catalog.head(operation.collection_id)
    if head.collection.uid != operation.collection_uid:
        raise SoutuError(Reason.COLLECTION_NOT_FOUND)
    return head


async def failed_paths(catalog: Catalog, operation_id: str) -> set[str]:
    """The paths that failed in an operation: OPERATION_NOT_FOUND."""
    return await failed_subjects(catalog, (await catalog.operation(operation_id)).uid)


async def failed_subjects(catalog: Catalog, operation_uid: int) -> set[str]:
    """The items, by path or id, that an operation could not handle."""
    subjects, last = set[str](), 0
    while page := await catalog.failures(operation_uid, last, _FAILURES_PAGE):
        subjects |= {failure.subject for _, failure in page}
        last = page[-1][0]
    return subjects


def _result(tally: Tally, head: Head) -> Mapping[str, object]:
    return {
        "added": tally.of(ADDED) + tally.of(CHANGED),
        "unchanged": tally.of(UNCHANGED),
        "failed": tally.of(FAILED),
        "revision": revision_text(head.collection.uid, tally.revision),
    }

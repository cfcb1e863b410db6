"""Syncing: a collection is made to agree with a directory.

Files are compared by path, size and time; contents are read only where that leaves a doubt. A sync that is
cut off makes a new plan: what it has done is then as it should be, and is not done again.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

from soutu.domain.errors import Reason, SoutuError
from soutu.domain.image import Image, KnownFile, Origin, Original
from soutu.domain.operation import Operation
from soutu.domain.revision import revision_text
from soutu.domain.writing import Move, Remove
from soutu.ingest.build import failed_paths, head_of
from soutu.ingest.commits import Commits
from soutu.ingest.earlier import failed_before
from soutu.ingest.files import FileReader
from soutu.ingest.opening import Sources
from soutu.ingest.plan import Plan, compare, planned
from soutu.ingest.record import Deed, Recorder, shards
from soutu.ingest.site import Site, SyncRequest
from soutu.ingest.sources import Item, Listing
from soutu.ingest.tally import ADDED, CHANGED, FAILED, MOVED, UNCHANGED, VANISHED, Tally
from soutu.ingest.watch import Watch
from soutu.operations.job import Job
from soutu.ports import Catalog

PLAN_LIMIT = 1_000
_PAGE = 10_000
_SHARD = 256


@dataclass(frozen=True, slots=True)
class Round:
    """One making to agree: where, what was asked for, and who keeps count."""

    job: Job
    site: Site
    request: SyncRequest
    recorder: Recorder


class Syncs:
    """The sync story."""

    def __init__(self, catalog: Catalog, sources: Sources, files: FileReader, commits: Commits) -> None:
        self._catalog = catalog
        self._sources = sources
        self._files = files
        self._commits = commits

    async def run(self, job: Job) -> Mapping[str, object]:
        """The work of a sync operation, whose request is a `SyncRequest`; with `watch` it never ends by
        itself."""
        request = SyncRequest.parsed(job.operation.request)
        turn = await self._round(job, request, Tally.parsed(job.operation.cursor))
        listing, known = await asyncio.gather(
            asyncio.to_thread(turn.site.source.listing), self._known(turn.site)
        )
        if known and not request.keep_vanished:
            _refuse_emptied(listing, len(known))
        plan = await self._plan(turn, listing, known)
        if request.dry_run:
            job.progress = replace(job.progress, total=plan.unchanged + plan.size)
            earlier = await failed_before(self._catalog, job.operation, request.source)
            return {**_result(turn, plan), "failed_before": plan.count_read(earlier)}
        await self._begin_counting(turn, plan)
        await self._carry_out(turn, plan)
        if request.watch:
            await self._watch(turn, listing)
        return _result(turn, plan)

    async def give_up(self, operation: Operation) -> None:
        """What was synced stays."""

    async def _watch(self, turn: Round, listing: Listing) -> None:
        async def agree(paths: Sequence[str], latest: Listing) -> None:
            nonlocal turn
            turn = await self._agree_on(turn, paths, latest)

        await Watch(turn.site.source.listing, agree).run(listing)

    async def _agree_on(self, turn: Round, paths: Sequence[str], listing: Listing) -> Round:
        """Makes the collection agree about some paths alone; answers the round that counts on."""
        turn = await self._round(turn.job, turn.request, turn.recorder.tally)
        collection, source = turn.site.head.collection, turn.site.source.name
        images = await self._catalog.images_by_path(collection.uid, source, paths)
        known = {path: known_file(image) for path, image in images.items()}
        wanted = set(paths)
        items = [item for item in listing.items if item.path in wanted]
        plan = await self._plan(turn, replace(listing, items=items), known)
        turn.job.progress = replace(turn.job.progress, total=turn.recorder.tally.done + plan.size)
        await self._carry_out(turn, plan)
        return turn

    async def _round(self, job: Job, request: SyncRequest, tally: Tally) -> Round:
        head = await head_of(self._catalog, job.operation)
        source = await asyncio.to_thread(self._sources.opened, request.source, head.collection.attributes)
        started_at = request.started_at if not request.watch else head.collection.revision
        site = Site(head, source, request.keeping, frozenset(), started_at)
        return Round(job, site, request, Recorder(job, head, self._commits, tally))

    async def _known(self, site: Site) -> Mapping[str, KnownFile]:
        known: dict[str, KnownFile] = {}
        uid, source, last = site.head.collection.uid, site.source.name, 0
        while page := await self._catalog.known_files(uid, source, last, _PAGE):
            known |= {file.path: file for file in page}
            last = page[-1].uid
        return known

    async def _plan(self, turn: Round, listing: Listing, known: Mapping[str, KnownFile]) -> Plan:
        offered = [item for item in listing.items if not item.failure]
        comparison = await asyncio.to_thread(compare, offered, known, listing.unread)
        digests = partial(self._files.digests, turn.site)
        plan = await planned(comparison, digests, keep_vanished=turn.request.keep_vanished)
        plan.refused = [item for item in listing.items if item.failure]
        return plan

    async def _begin_counting(self, turn: Round, plan: Plan) -> None:
        """Sets the total. After a cut, what the run before has done is unchanged to this plan, and what
        failed there has been recorded."""
        operation, tally = turn.job.operation, turn.recorder.tally
        if operation.cursor and not turn.request.watch:
            plan.leave_out(await failed_paths(self._catalog, operation.id))
        before = tally.of(ADDED) + tally.of(CHANGED) + tally.of(MOVED)
        unchanged = max(0, plan.unchanged - before)
        turn.recorder.tally = tally = replace(tally, counts={**tally.counts, UNCHANGED: unchanged})
        turn.job.progress = replace(turn.job.progress, total=tally.done + plan.size)
        await turn.recorder.write([])

    async def _carry_out(self, turn: Round, plan: Plan) -> None:
        """Moves before additions, which may want the path of a moved file; deletions last, so that a cut
        leaves too much rather than too little."""
        for deeds in _shards([*_moves(turn.site, plan)]):
            await turn.recorder.write(deeds)
        await self._read(turn, [*plan.refused, *plan.changed, *plan.added])
        for deeds in _shards([*_removals(plan)]):
            await turn.recorder.write(deeds)
        await self._commits.waited(turn.site.head, turn.recorder.tally.revision)

    async def _read(self, turn: Round, items: Sequence[Item]) -> None:
        async with (
            aclosing(self._files.handled(turn.site, items)) as handled,
            aclosing(shards(handled)) as all_shards,
        ):
            async for shard in all_shards:
                await turn.recorder.take(shard)


def _moves(site: Site, plan: Plan) -> Sequence[Deed]:
    name = site.source.name
    return [
        Deed(
            what,
            item.path,
            Move(
                file.image_id,
                Origin(name, item.path),
                Original(file.keeping, f"{name}/{item.path}", item.mtime_ns, file.sidecar),
                file.etag,
            ),
        )
        for what, pairs in ((MOVED, plan.moved), (UNCHANGED, plan.touched))
        for item, file in pairs
    ]


def _removals(plan: Plan) -> Sequence[Deed]:
    return [
        Deed(VANISHED, file.path, Remove(file.image_id, file.etag, allow_missing=True))
        for file in plan.deleted
    ]


def _shards(deeds: Sequence[Deed]) -> Sequence[Sequence[Deed]]:
    return [deeds[start : start + _SHARD] for start in range(0, len(deeds), _SHARD)]


def _refuse_emptied(listing: Listing, count: int) -> None:
    """A directory that held images and offers nothing is rather a disk that is not mounted than a wish."""
    if any(not item.failure for item in listing.items):
        return
    raise SoutuError(
        Reason.SOURCE_NOT_FOUND,
        f"The directory offers nothing, though {count} images came from it: is its disk mounted? "
        "To keep them set keep_vanished; to be rid of them delete the images.",
    )


def known_file(image: Image) -> KnownFile:
    """What a sync compares of an image that came from a source."""
    assert image.origin is not None, "it came from a source"
    return KnownFile(
        uid=image.uid,
        image_id=image.id,
        revision=image.revision,
        path=image.origin.path,
        size_bytes=image.content.size_bytes,
        mtime_ns=image.original.mtime_ns,
        sha256=image.content.sha256,
        keeping=image.original.keeping,
        sidecar=image.original.sidecar,
    )


def _result(turn: Round, plan: Plan) -> Mapping[str, object]:
    """The numbers of what was done, or of what would be done in a dry run."""
    tally, collection = turn.recorder.tally, turn.site.head.collection
    dry = {
        ADDED: len(plan.added),
        CHANGED: len(plan.changed),
        MOVED: len(plan.moved),
        VANISHED: len(plan.deleted),
        UNCHANGED: plan.unchanged + len(plan.touched),
        FAILED: len(plan.refused),
    }
    counts = dry if turn.request.dry_run else {what: tally.of(what) for what in dry}
    revision = collection.revision if turn.request.dry_run else tally.revision
    entries = [
        {"action": f"ACTION_{action.name}", "path": path, "former_path": former}
        for action, path, former in islice(plan.entries(), PLAN_LIMIT)
    ]
    return {**counts, "revision": revision_text(collection.uid, revision), "plan": entries}

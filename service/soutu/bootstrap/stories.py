"""The stories of the service, put together over the adapters."""

import asyncio
import gc
import hashlib
import os
import socket
import uuid
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from soutu.adapters.backups import BackupFolders
from soutu.adapters.cache.embeddings import CachedEmbedder
from soutu.adapters.exports import ExportFolders
from soutu.adapters.objects.local import LocalObjects
from soutu.bootstrap.adapters import Adapters, serves_beside_others
from soutu.bootstrap.limits import cores, decode_limits, unpack_limits
from soutu.browse.images import ImageBrowser
from soutu.browse.selections import Selections
from soutu.collections.alter import Alterations
from soutu.collections.backup import Backups
from soutu.collections.estimate import Estimates
from soutu.collections.export import Exports
from soutu.collections.fillings import Fillings
from soutu.collections.generations import Generations
from soutu.collections.importing import Imports
from soutu.collections.intake import Intake
from soutu.collections.lives import Collections
from soutu.collections.purge import Purges
from soutu.collections.rebuild import Rebuilds
from soutu.collections.relabel import Relabels
from soutu.collections.tuning import Tuning
from soutu.domain.collection import Generation
from soutu.domain.operation import OperationKind
from soutu.ingest.build import Builds
from soutu.ingest.commits import Commits
from soutu.ingest.completion import Completion
from soutu.ingest.courtesy import Courtesy
from soutu.ingest.files import FileReader
from soutu.ingest.follow import Follower, Pace
from soutu.ingest.followers import Followers
from soutu.ingest.labelling import Labelling
from soutu.ingest.leading import ALONE, Leading
from soutu.ingest.opening import Sources
from soutu.ingest.reading import Reader
from soutu.ingest.remove import Removals
from soutu.ingest.revise import Revisions
from soutu.ingest.shared import Lease, SharedFollowers
from soutu.ingest.sole import served_alone
from soutu.ingest.storing import Storing
from soutu.ingest.sweep import Sweep
from soutu.ingest.sync import Syncs
from soutu.ingest.upload import Uploads
from soutu.observe.metrics import Metrics
from soutu.operations.background import in_background
from soutu.operations.desk import OperationDesk
from soutu.operations.job import Work
from soutu.operations.runner import OperationRunner
from soutu.ports import Catalog
from soutu.search.absence import Absence
from soutu.search.compare import Comparisons
from soutu.search.embedding import QueryEmbedder
from soutu.search.pages import PageTokens
from soutu.search.search import Searches
from soutu.settings import Settings
from soutu.texts.tokenizer import Tokenizers


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What those who run the deployment do to it."""

    backups: Backups
    exports: Exports
    imports: Imports
    purges: Purges
    rebuilds: Rebuilds
    tuning: Tuning

    def works(self) -> dict[OperationKind, Work]:
        """The work of each kind of operation."""
        return {
            OperationKind.BACKUP: self.backups,
            OperationKind.EXPORT: self.exports,
            OperationKind.IMPORT: self.imports,
            OperationKind.PURGE: self.purges,
            OperationKind.REBUILD: self.rebuilds,
            OperationKind.TUNE: self.tuning,
        }


@dataclass(frozen=True, slots=True)
class Stories:
    """Everything that the service does."""

    searches: Searches
    comparisons: Comparisons
    browser: ImageBrowser
    selections: Selections
    uploads: Uploads
    revisions: Revisions
    removals: Removals
    collections: Collections
    alterations: Alterations
    fillings: Fillings
    generations: Generations
    estimates: Estimates
    runner: OperationRunner
    desk: OperationDesk
    followers: Followers
    courtesy: Courtesy
    upkeep: Upkeep


async def _warmed(catalog: Catalog) -> None:
    """Reads the rows ahead, and has the garbage collector leave alone what is there to stay: everything
    stands still while it looks through that."""
    await catalog.warm()
    gc.freeze()


async def assembled(
    settings: Settings, adapters: Adapters, metrics: Metrics, stack: AsyncExitStack
) -> Stories:
    """Every story over `adapters`, those at work in the background started; `stack` ends them."""
    catalog, index = adapters.catalog, adapters.index
    reader = Reader(adapters.decoders, adapters.models, adapters.embedder, catalog)
    completion = Completion(catalog, adapters.originals, reader, 2 * cores())
    followers = await _followers(settings, adapters, completion, stack)
    stack.push_async_callback(in_background(_warmed(catalog), "warming"))
    tokenizers = Tokenizers(adapters.models)
    labelling = Labelling(adapters.models, adapters.embedder, tokenizers)
    index_waits = settings.index
    commits = Commits(catalog, followers, index_waits.indexed_wait_s, index_waits.backlog, labelling)
    storing = Storing(catalog, adapters.objects)
    sources, courtesy = Sources(settings.build_roots, unpack_limits(settings)), Courtesy(adapters.clock)
    limits = decode_limits(settings)
    files = FileReader(catalog, reader, storing, courtesy, parallel=12 * cores(), limits=limits)
    removals = asyncio.Lock()
    alone, grace_s = not serves_beside_others(settings), settings.objects.sweep_grace_s
    sweep = Sweep(catalog, adapters.objects, adapters.clock, grace_s, removals, alone=alone)
    stack.push_async_callback(sweep.start(settings.objects.sweep_interval_s))
    generations = Generations(catalog, index, followers, commits, adapters.clock)
    intake = Intake(reader, storing, settings.build_roots, limits.largest_bytes)
    relabels = Relabels(catalog, commits, labelling)
    upkeep = _upkeep(settings, adapters, followers, commits, intake, removals)
    works: dict[OperationKind, Work] = {
        OperationKind.BUILD: Builds(catalog, sources, files, commits),
        OperationKind.SYNC: Syncs(catalog, sources, files, commits),
        OperationKind.GENERATION: generations,
        OperationKind.RELABEL: relabels,
        **upkeep.works(),
    }
    if alone:
        await catalog.release_operations()
    runner = OperationRunner(catalog, works, adapters.clock, metrics)
    runner.start()
    stack.push_async_callback(runner.close)
    queries = _queries(adapters, metrics, tokenizers)
    absence = Absence(catalog, adapters.clock, settings.search.catalog_away_s)
    return Stories(
        searches=Searches(catalog, index, followers, queries, PageTokens(adapters.token_key), absence),
        comparisons=Comparisons(catalog, adapters.models, queries),
        browser=ImageBrowser(catalog, adapters.originals, adapters.objects, adapters.decoders),
        selections=Selections(catalog),
        uploads=Uploads(catalog, reader, adapters.fetcher, storing, commits, parallel=2 * cores()),
        revisions=Revisions(catalog, commits),
        removals=Removals(catalog, commits),
        collections=Collections(catalog, index, followers, labelling),
        alterations=Alterations(catalog, labelling, relabels, runner),
        fillings=Fillings(catalog, sources, runner),
        generations=generations,
        estimates=Estimates(catalog, adapters.models, adapters.embedder, cores()),
        runner=runner,
        desk=OperationDesk(catalog, runner),
        followers=followers,
        courtesy=courtesy,
        upkeep=upkeep,
    )


def _queries(adapters: Adapters, metrics: Metrics, tokenizers: Tokenizers) -> QueryEmbedder:
    """What turns queries into vectors, and alone remembers them: what builds embed is kept in the catalogue,
    and would push out of the cache what queries need."""
    return QueryEmbedder(
        adapters.decoders,
        adapters.models,
        CachedEmbedder(adapters.query_embedder, adapters.cache, metrics),
        adapters.catalog,
        adapters.originals,
        tokenizers,
    )


def _upkeep(
    settings: Settings,
    adapters: Adapters,
    followers: Followers,
    commits: Commits,
    intake: Intake,
    removals: asyncio.Lock,
) -> Upkeep:
    catalog, objects, index = adapters.catalog, adapters.objects, adapters.index
    folders, roots = ExportFolders(), settings.backup_roots
    rebuilds = Rebuilds(catalog, index, followers, commits)
    backup_folders = BackupFolders(settings.data_dir, LocalObjects.open)
    return Upkeep(
        backups=Backups(catalog, objects, backup_folders, adapters.clock, removals, roots),
        exports=Exports(catalog, adapters.originals, commits, folders, roots),
        imports=Imports(catalog, commits, intake, folders, roots),
        purges=Purges(catalog, objects, adapters.cache, commits, index, rebuilds, removals),
        rebuilds=rebuilds,
        tuning=Tuning(catalog, index, followers, adapters.clock),
    )


async def _followers(
    settings: Settings, adapters: Adapters, completion: Completion, stack: AsyncExitStack
) -> Followers:
    """The followers, at work; those of several processes agree in the catalogue who follows what."""
    catalog, index, clock = adapters.catalog, adapters.index, adapters.clock
    make_follower = partial(_follower, settings, adapters, completion)
    if serves_beside_others(settings):
        lease = Lease(owner=f"{socket.gethostname()[:64]} {os.getpid()} {uuid.uuid4().hex[:12]}")
        forget = partial(_forget, settings, adapters)
        followers: Followers = SharedFollowers(catalog, index, make_follower, clock, lease, forget)
    else:
        if settings.catalog.on_server:
            owner = hashlib.sha256(adapters.token_key).hexdigest()
            stack.push_async_callback(await served_alone(catalog, owner))
        followers = Followers(catalog, index, make_follower)
    await followers.start()
    stack.push_async_callback(followers.close)
    return followers


async def _forget(settings: Settings, adapters: Adapters) -> None:
    """Forgets what this process alone remembers; a purge clears by itself what all share."""
    adapters.catalog.forget_rows()
    if not settings.cache.url:
        await adapters.cache.clear()


def _follower(
    settings: Settings,
    adapters: Adapters,
    completion: Completion,
    generation: Generation,
    leading: Leading = ALONE,
) -> Follower:
    pace = Pace(persist_s=settings.index.persist_interval_s, optimize_after=settings.index.optimize_after)
    return Follower(generation, adapters.catalog, adapters.index, completion, adapters.clock, pace, leading)

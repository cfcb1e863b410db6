"""The one place that chooses adapters: opens them in order, hands them to the stories, closes them."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from soutu.adapters.backups import BackupFolders, restore
from soutu.adapters.cache.embeddings import CachedEmbedder
from soutu.adapters.cache.memory import MemoryCache
from soutu.adapters.catalog.snapshots import SqliteFiles
from soutu.adapters.catalog.sql import SqlCatalog
from soutu.adapters.data_directory import DataDirectory
from soutu.adapters.exports import ExportFolders
from soutu.adapters.fetch.off import FetchesNothing
from soutu.adapters.inference.counted import CountedEmbedder
from soutu.adapters.inference.onnx import OnnxEmbedder
from soutu.adapters.keys import WatchedKeys
from soutu.adapters.models.folders import FolderModels
from soutu.adapters.objects.local import LocalObjects
from soutu.adapters.objects.originals import KeptOriginals
from soutu.adapters.objects.s3 import Bucket, s3_objects
from soutu.adapters.vectors.qdrant_edge import QdrantEdgeIndex
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
from soutu.collections.tuning import Tuning
from soutu.domain.backup import Restored
from soutu.domain.collection import Generation
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.operation import OperationKind
from soutu.imaging.limits import DecodeLimits
from soutu.imaging.pool import DecodePool
from soutu.ingest.build import Builds
from soutu.ingest.commits import Commits
from soutu.ingest.completion import Completion
from soutu.ingest.courtesy import Courtesy
from soutu.ingest.files import FileReader
from soutu.ingest.follow import Follower, Pace
from soutu.ingest.followers import Followers
from soutu.ingest.opening import Sources
from soutu.ingest.reading import Reader
from soutu.ingest.remove import Removals
from soutu.ingest.revise import Revisions
from soutu.ingest.storing import Storing
from soutu.ingest.sweep import Sweep
from soutu.ingest.sync import Syncs
from soutu.ingest.unpacking import UnpackLimits
from soutu.ingest.upload import Uploads
from soutu.models.verify import check_artefact
from soutu.observe.clock import SystemClock
from soutu.observe.metrics import Metrics
from soutu.operations.background import in_background
from soutu.operations.desk import OperationDesk
from soutu.operations.job import Work
from soutu.operations.runner import OperationRunner
from soutu.ports import (
    Cache,
    Catalog,
    Clock,
    Embedder,
    Fetcher,
    Keys,
    ModelStore,
    ObjectStore,
    Originals,
    VectorIndex,
)
from soutu.search.compare import Comparisons
from soutu.search.embedding import QueryEmbedder
from soutu.search.pages import PageTokens
from soutu.search.search import Searches
from soutu.settings import Settings, SettingsError

BUNDLED_MODELS = Path(__file__).parent / "models" / "bundled"
BUNDLED_MODEL = "gradient-color"


@dataclass(frozen=True, slots=True)
class Adapters:
    """Everything outside that the stories stand on, opened."""

    clock: Clock
    catalog: Catalog
    objects: ObjectStore
    originals: Originals
    models: ModelStore
    embedder: Embedder
    index: VectorIndex
    decoders: DecodePool
    fetcher: Fetcher
    cache: Cache
    token_key: bytes
    keys: Keys | None


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


@dataclass(frozen=True, slots=True)
class Service:
    """A service that runs, without its servers."""

    settings: Settings
    adapters: Adapters
    stories: Stories
    metrics: Metrics


@asynccontextmanager
async def running(
    settings: Settings, directory: DataDirectory, metrics: Metrics, clock: Clock | None = None
) -> AsyncIterator[Service]:
    """The service on the embedded adapters in `directory`; what it follows is written down at the end. It
    goes by the machine's clock, or another that is given."""
    if settings.profile != "embedded":
        raise SoutuError(
            Reason.FEATURE_UNIMPLEMENTED, f"The profile {settings.profile} is not implemented yet."
        )
    async with AsyncExitStack() as stack:
        adapters = await _embedded(settings, directory, metrics, clock or SystemClock(), stack)
        stories = await _stories(settings, adapters, metrics, stack)
        yield Service(settings, adapters, stories, metrics)


def model_store(settings: Settings) -> ModelStore:
    """The models of a data directory and those that ship with Soutu."""
    return FolderModels(settings.data_dir / "models", BUNDLED_MODELS, check_artefact)


def decode_limits(settings: Settings) -> DecodeLimits:
    """The limits on pictures from strangers."""
    decode = settings.decode
    return DecodeLimits(
        size_bytes=decode.image_bytes,
        pixels=decode.pixels,
        side=decode.side,
        jpeg_scans=decode.jpeg_scans,
        metadata_bytes=decode.metadata_bytes,
        seconds=decode.seconds,
        memory_bytes=decode.memory_bytes,
        raw_size_bytes=decode.raw_bytes,
        raw_seconds=decode.raw_seconds,
    )


def unpack_limits(settings: Settings) -> UnpackLimits:
    """How far archives are unpacked."""
    archive = settings.archive
    return UnpackLimits(
        archive.total_bytes, archive.ratio, archive.small_bytes, archive.header_bytes, archive.members
    )


async def _fetcher(settings: Settings) -> Fetcher:
    fetch = settings.fetch
    if not fetch.hosts:
        return FetchesNothing()
    from soutu.adapters.fetch import hosts, web  # aiohttp is loaded only where something is fetched

    allowed = hosts.AllowedHosts(fetch.hosts, fetch.http)
    terms = web.FetchTerms(allowed, fetch.image_bytes, fetch.seconds, fetch.redirects, fetch.parallel)
    return await web.WebFetcher.open(terms)


async def _embedded(
    settings: Settings, directory: DataDirectory, metrics: Metrics, clock: Clock, stack: AsyncExitStack
) -> Adapters:
    path, keys = directory.path, _keys(settings, stack)
    url = settings.catalog.url or f"sqlite+aiosqlite:///{path / 'catalog.db'}"
    catalog = await SqlCatalog.open(url, clock, remembered=settings.catalog.remembered_images)
    stack.push_async_callback(catalog.close)
    objects = await _objects(settings, path / "objects")
    models = model_store(settings)
    cache = _cache(settings)
    stack.push_async_callback(cache.close)
    embedder = CountedEmbedder(_embedder(settings, models), metrics)
    stack.push_async_callback(embedder.close)
    index = QdrantEdgeIndex(path / "index", cores())
    stack.push_async_callback(index.close)
    decoders = DecodePool(settings.decode.workers or cores(), decode_limits(settings))
    await decoders.start()
    metrics.watch_decoders(decoders)
    stack.push_async_callback(decoders.close)
    fetcher = await _fetcher(settings)
    stack.push_async_callback(fetcher.close)
    originals = KeptOriginals(objects)
    token_key = directory.secret_key()
    return Adapters(
        clock, catalog, objects, originals, models, embedder, index, decoders, fetcher, cache, token_key, keys
    )


def _keys(settings: Settings, stack: AsyncExitStack) -> Keys | None:
    """The keys that callers need; None where they need none."""
    if not settings.access.needs_keys:
        return None
    keys = WatchedKeys(settings.access.keys_file, settings.access.keys)
    keys.start()
    stack.push_async_callback(keys.close)
    return keys


async def _objects(settings: Settings, directory: Path) -> ObjectStore:
    kept = settings.objects
    if not kept.url:
        return await LocalObjects.open(directory)
    return s3_objects(Bucket(kept.url, kept.endpoint, kept.region, kept.access_key, kept.secret_key))


def _embedder(settings: Settings, models: ModelStore) -> Embedder:
    given = settings.inference
    if not given.url:
        return OnnxEmbedder(models, given.threads or cores())
    try:
        from soutu.adapters.inference.triton import TritonEmbedder
    except ImportError as error:
        raise _missing("inference.url", "tritonclient") from error
    return TritonEmbedder.connected(given.url, models, wait_s=given.wait_s)


def _missing(key: str, library: str) -> SettingsError:
    return SettingsError(f"{key} needs the library {library}: pip install 'soutu[cluster]'.")


def _cache(settings: Settings) -> Cache:
    if not settings.cache.url:
        return MemoryCache(settings.cache.memory_bytes)
    try:
        from soutu.adapters.cache.redis import RedisCache
    except ImportError as error:
        raise _missing("cache.url", "redis") from error
    return RedisCache.connected(
        settings.cache.url, expiry_s=settings.cache.expiry_s, wait_s=settings.cache.wait_s
    )


async def _stories(
    settings: Settings, adapters: Adapters, metrics: Metrics, stack: AsyncExitStack
) -> Stories:
    catalog, index = adapters.catalog, adapters.index
    reader = Reader(adapters.decoders, adapters.models, adapters.embedder, catalog)
    completion = Completion(catalog, adapters.originals, reader, 2 * cores())
    followers = Followers(catalog, index, partial(_follower, settings, adapters, completion))
    await followers.start()
    stack.push_async_callback(followers.close)
    stack.push_async_callback(in_background(catalog.warm(), "warming"))
    commits = Commits(catalog, followers, settings.index.indexed_wait_s, settings.index.backlog)
    storing = Storing(catalog, adapters.objects)
    sources, courtesy = Sources(settings.build_roots, unpack_limits(settings)), Courtesy(adapters.clock)
    limits = decode_limits(settings)
    files = FileReader(catalog, reader, storing, courtesy, parallel=12 * cores(), limits=limits)
    removals = asyncio.Lock()
    sweep = Sweep(catalog, adapters.objects, adapters.clock, settings.objects.sweep_grace_s, removals)
    stack.push_async_callback(sweep.start(settings.objects.sweep_interval_s))
    generations = Generations(catalog, index, followers, commits, adapters.clock)
    intake = Intake(reader, storing, settings.build_roots, limits.largest_bytes)
    upkeep = _upkeep(settings, adapters, followers, commits, intake, removals)
    works: dict[OperationKind, Work] = {
        OperationKind.BUILD: Builds(catalog, sources, files, commits),
        OperationKind.SYNC: Syncs(catalog, sources, files, commits),
        OperationKind.GENERATION: generations,
        **upkeep.works(),
    }
    await catalog.release_operations()
    runner = OperationRunner(catalog, works, adapters.clock, metrics)
    runner.start()
    stack.push_async_callback(runner.close)
    queries = _queries(adapters, metrics)
    return Stories(
        searches=Searches(catalog, index, followers, queries, PageTokens(adapters.token_key)),
        comparisons=Comparisons(catalog, adapters.models, queries),
        browser=ImageBrowser(catalog, adapters.originals, adapters.objects, adapters.decoders),
        selections=Selections(catalog),
        uploads=Uploads(catalog, reader, adapters.fetcher, storing, commits, parallel=2 * cores()),
        revisions=Revisions(catalog, commits),
        removals=Removals(catalog, commits),
        collections=Collections(catalog, index, followers),
        alterations=Alterations(catalog),
        fillings=Fillings(catalog, sources, runner),
        generations=generations,
        estimates=Estimates(catalog, adapters.models, adapters.embedder, cores()),
        runner=runner,
        desk=OperationDesk(catalog, runner),
        followers=followers,
        courtesy=courtesy,
        upkeep=upkeep,
    )


def _queries(adapters: Adapters, metrics: Metrics) -> QueryEmbedder:
    """What turns queries into vectors, and alone remembers them: what builds embed is kept in the catalogue,
    and would push out of the cache what queries need."""
    return QueryEmbedder(
        adapters.decoders,
        adapters.models,
        CachedEmbedder(adapters.embedder, adapters.cache, metrics),
        adapters.catalog,
        adapters.originals,
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


async def restored(settings: Settings, backup: Path) -> Restored:
    """Takes a backup into the data directory, which must be empty and without a server:
    DATA_DIRECTORY_UNUSABLE, DEPLOYMENT_NOT_EMPTY, SOURCE_NOT_FOUND, CONTENT_LOST."""
    directory = DataDirectory.open(settings.data_dir)
    try:
        return await restore(backup, directory.path, partial(_objects, settings), SqliteFiles())
    finally:
        directory.close()


def _follower(
    settings: Settings, adapters: Adapters, completion: Completion, generation: Generation
) -> Follower:
    pace = Pace(persist_s=settings.index.persist_interval_s, optimize_after=settings.index.optimize_after)
    return Follower(generation, adapters.catalog, adapters.index, completion, adapters.clock, pace)


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

"""The one place that chooses adapters, part by part as the settings say."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from soutu.adapters.cache.memory import MemoryCache
from soutu.adapters.catalog.mysql import Pool
from soutu.adapters.catalog.sql import SqlCatalog
from soutu.adapters.data_directory import DataDirectory
from soutu.adapters.fetch.off import FetchesNothing
from soutu.adapters.inference.counted import CountedEmbedder
from soutu.adapters.inference.onnx import OnnxEmbedder
from soutu.adapters.keys import WatchedKeys
from soutu.adapters.models.folders import FolderModels
from soutu.adapters.objects.local import LocalObjects
from soutu.adapters.objects.originals import KeptOriginals
from soutu.adapters.objects.s3 import Bucket, s3_objects
from soutu.adapters.vectors.qdrant_edge import QdrantEdgeIndex
from soutu.bootstrap.engines import inference_engine, inference_threads
from soutu.bootstrap.limits import cores, decode_limits
from soutu.imaging.pool import DecodePool
from soutu.models.verify import check_artefact
from soutu.observe.metrics import Metrics
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
from soutu.settings import Settings, SettingsError

BUNDLED_MODELS = Path(__file__).parents[1] / "models" / "bundled"
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
    query_embedder: Embedder
    index: VectorIndex
    decoders: DecodePool
    fetcher: Fetcher
    cache: Cache
    token_key: bytes
    keys: Keys | None


def model_store(settings: Settings) -> ModelStore:
    """The models of a data directory and those that ship with Soutu."""
    return FolderModels(settings.data_dir / "models", BUNDLED_MODELS, check_artefact)


async def _fetcher(settings: Settings) -> Fetcher:
    fetch = settings.fetch
    if not fetch.hosts:
        return FetchesNothing()
    from soutu.adapters.fetch import hosts, web  # aiohttp is loaded only where something is fetched

    allowed = hosts.AllowedHosts(fetch.hosts, fetch.http)
    terms = web.FetchTerms(allowed, fetch.image_bytes, fetch.seconds, fetch.redirects, fetch.parallel)
    return await web.WebFetcher.open(terms)


async def opened(
    settings: Settings, directory: DataDirectory, metrics: Metrics, clock: Clock, stack: AsyncExitStack
) -> Adapters:
    """The adapters that `settings` name, opened in order; `stack` closes them."""
    path, keys = directory.path, _keys(settings, stack)
    catalog = await _catalog(settings, path, clock)
    stack.push_async_callback(catalog.close)
    objects = await objects_kept(settings, path / "objects")
    models = model_store(settings)
    cache = _cache(settings)
    stack.push_async_callback(cache.close)
    embedder, query_embedder = (CountedEmbedder(each, metrics) for each in _embedders(settings, models))
    stack.push_async_callback(embedder.close)
    index = _index(settings, path / "index")
    stack.push_async_callback(index.close)
    decoders = DecodePool(settings.decode.workers or cores(), decode_limits(settings))
    await decoders.start()
    metrics.watch_decoders(decoders)
    stack.push_async_callback(decoders.close)
    fetcher = await _fetcher(settings)
    stack.push_async_callback(fetcher.close)
    originals = KeptOriginals(objects)
    token_key = directory.secret_key()
    if serves_beside_others(settings):
        token_key = await catalog.shared_secret("page tokens", token_key)
    return Adapters(
        clock,
        catalog,
        objects,
        originals,
        models,
        embedder,
        query_embedder,
        index,
        decoders,
        fetcher,
        cache,
        token_key,
        keys,
    )


def serves_beside_others(settings: Settings) -> bool:
    """Whether other processes may serve the same catalogue and the same index."""
    return settings.catalog.on_server and bool(settings.index.url)


async def _catalog(settings: Settings, directory: Path, clock: Clock) -> Catalog:
    given = settings.catalog
    url = given.url or f"sqlite+aiosqlite:///{directory / 'catalog.db'}"
    pool = Pool(given.pool_size, given.recycle_s, given.wait_s)
    try:
        return await SqlCatalog.open(url, clock, remembered=given.remembered_images, pool=pool)
    except ImportError as error:
        raise _missing("catalog.url", "aiomysql") from error


def _keys(settings: Settings, stack: AsyncExitStack) -> Keys | None:
    """The keys that callers need; None where they need none."""
    if not settings.access.needs_keys:
        return None
    keys = WatchedKeys(settings.access.keys_file, settings.access.keys)
    keys.start()
    stack.push_async_callback(keys.close)
    return keys


async def objects_kept(settings: Settings, directory: Path) -> ObjectStore:
    """The store of originals: `directory`, or the bucket that the settings name."""
    kept = settings.objects
    if not kept.url:
        return await LocalObjects.open(directory)
    return s3_objects(Bucket(kept.url, kept.endpoint, kept.region, kept.access_key, kept.secret_key))


def _embedders(settings: Settings, models: ModelStore) -> tuple[Embedder, Embedder]:
    """What runs the models for builds, and what for queries; closing the first closes both."""
    given = settings.inference
    if not given.url:
        here = OnnxEmbedder(models, inference_threads(settings), inference_engine(settings))
        return here, here
    try:
        from soutu.adapters.inference.triton import TritonEmbedder
    except ImportError as error:
        raise _missing("inference.url", "tritonclient") from error
    there = TritonEmbedder.connected(
        given.url, models, wait_s=given.wait_s, unload_after_s=given.unload_after_s
    )
    return there, there.for_queries()


def _index(settings: Settings, directory: Path) -> VectorIndex:
    given = settings.index
    if not given.url:
        return QdrantEdgeIndex(directory, cores())
    try:
        from soutu.adapters.vectors.milvus import MilvusIndex
        from soutu.adapters.vectors.milvus_server import MilvusAddress
    except ImportError as error:
        raise _missing("index.url", "pymilvus") from error
    address = MilvusAddress(given.url, given.user, given.password, given.token, given.database)
    return MilvusIndex.connected(
        address, prefix=given.prefix, wait_s=given.wait_s, build_wait_s=given.build_wait_s
    )


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

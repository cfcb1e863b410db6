"""Serving: from settings to a server that answers, and back to a quiet data directory."""

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from soutu.adapters.data_directory import DataDirectory
from soutu.bootstrap import BUNDLED_MODEL, Service, cores, decode_limits, running
from soutu.domain.errors import SoutuError
from soutu.observe.busyness import Busyness
from soutu.observe.logs import configure, logger
from soutu.observe.metrics import Metrics
from soutu.ports import Clock
from soutu.rpc.access import Access
from soutu.rpc.admin import AdminServicer, AdminStories, Check
from soutu.rpc.admission import Admission, AdmissionLimits
from soutu.rpc.answers import Answers
from soutu.rpc.calls import Calls
from soutu.rpc.collections import CollectionServicer
from soutu.rpc.convert.basics import duration
from soutu.rpc.convert.queries import PAGE_LIMIT, PART_LIMIT
from soutu.rpc.images import BATCH_LIMIT as UPLOAD_LIMIT
from soutu.rpc.images import ImageServicer
from soutu.rpc.models import ModelServicer
from soutu.rpc.operations import OperationServicer
from soutu.rpc.patience import Patience
from soutu.rpc.scopes import HEALTH, REFLECTION
from soutu.rpc.searching import BATCH_LIMIT as SEARCH_LIMIT
from soutu.rpc.searching import SearchServicer
from soutu.rpc.server import Server, ServerLimits, Servicers
from soutu.rpc.tls import ServerTls, TlsFiles
from soutu.search.fetching import Fetches
from soutu.search.pages import MATCH_LIMIT
from soutu.settings import ServerSettings, Settings
from soutu.v1 import admin_service_pb2

# Two in decoding and up to four in one run of a model, for each core; more make no run larger.
_QUERIES_PER_CORE = 8
# How soon a thread that computes in Python lets the event loop go on, in place of after 5 ms.
_SWITCH_S = 0.001
_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """Where one of several processes works: a data directory of its own, its number, and a port that others
    listen on, too."""

    directory: Path
    number: int
    shared_port: bool


async def serve(
    settings: Settings,
    *,
    address: str | None = None,
    ready: Callable[[str], None] | None = None,
    stop: asyncio.Event | None = None,
    clock: Clock | None = None,
    place: Place | None = None,
) -> None:
    """Serves until `stop` is set, or SIGTERM or SIGINT where none is given; then drains.

    Listens on `address` (host:port or unix:path) or as the settings say; `ready` is told the address once
    calls are answered; `clock` stands in for the machine's; `place` is where one of several works.
    DATA_DIRECTORY_UNUSABLE; OSError if the address cannot be had; KeysError and TlsError if the files of keys
    or certificates cannot be used.
    """
    configure(settings.log.level, settings.log.format)
    sys.setswitchinterval(_SWITCH_S)
    for key, root in settings.missing_roots:
        _log.warning("this directory is not there", setting=key, path=str(root))
    metrics = Metrics()
    directory = DataDirectory.open(place.directory if place else settings.data_dir)
    try:
        if metrics_port := settings.server.metrics_port:
            metrics.start(settings.server.metrics_host, metrics_port + (place.number if place else 0))
        async with running(settings, directory, metrics, clock) as service:
            with _stop_signals(stop) as ended:
                await _serve(service, directory, Listening(address, place is not None), ready, ended)
    finally:
        metrics.close()
        directory.close()


@dataclass(frozen=True, slots=True)
class Listening:
    """The address that was asked for, or none, and whether other processes listen there, too."""

    address: str | None
    shared: bool


async def _serve(
    service: Service,
    directory: DataDirectory,
    listening: Listening,
    ready: Callable[[str], None] | None,
    ended: asyncio.Event,
) -> None:
    settings, busyness = service.settings.server, Busyness.of_running_loop()
    admission = Admission(_admission(service.settings), service.metrics, busyness)
    calls = Calls(service.metrics, _access(service), admission, Patience(settings.idle_s))
    answers, limit_bytes = Answers(service.adapters.cache), settings.message_bytes
    servicers = _servicers(service, admission, answers)
    limits = ServerLimits(limit_bytes, settings.idle_s, shared_port=listening.shared)
    server = Server(servicers, calls, limits, reflection=settings.reflection)
    asked = listening.address or f"{settings.host}:{settings.port}"
    port = await server.start(asked, _tls(settings))
    bound = asked if asked.startswith("unix:") else f"{asked.rpartition(':')[0]}:{port}"
    directory.announce(bound, tls=settings.tls_certificate is not None)
    _log.info("serving", address=bound, data_dir=str(directory.path))
    if ready:
        ready(bound)
    await ended.wait()
    _log.info("draining", grace_s=settings.drain_s)
    await server.drain(settings.drain_s)
    await answers.close()
    _log.info("closing")


@contextmanager
def _stop_signals(stop: asyncio.Event | None) -> Iterator[asyncio.Event]:
    """`stop`, or an event that SIGTERM and SIGINT set."""
    if stop is not None:
        yield stop
        return
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def _access(service: Service) -> Access:
    settings, adapters = service.settings.access, service.adapters
    open_services = {HEALTH: settings.open_health, REFLECTION: settings.open_reflection}
    return Access(adapters.keys, adapters.clock, [name for name, is_open in open_services.items() if is_open])


def _tls(settings: ServerSettings) -> ServerTls | None:
    if not (settings.tls_certificate and settings.tls_key):
        return None
    files = TlsFiles(settings.tls_certificate, settings.tls_key, settings.tls_client_authorities)
    return ServerTls(files)


def _admission(settings: Settings) -> AdmissionLimits:
    admission = settings.admission
    return AdmissionLimits(
        queries=admission.queries or _QUERIES_PER_CORE * cores(),
        queries_waiting=admission.queries_waiting,
        reads=admission.reads,
        reads_waiting=admission.reads_waiting,
        writes=admission.writes,
        writes_waiting=admission.writes_waiting,
        waits=admission.waits,
        request_bytes=admission.request_bytes,
    )


def _servicers(service: Service, admission: Admission, answers: Answers) -> Servicers:
    settings, adapters, stories = service.settings, service.adapters, service.stories
    limits = decode_limits(settings)
    wait_s = settings.search.min_revision_wait_s
    return Servicers(
        search=SearchServicer(
            stories.searches,
            stories.comparisons,
            answers,
            stories.courtesy,
            admission,
            service.metrics,
            Fetches(adapters.fetcher),
            wait_s,
        ),
        images=ImageServicer(
            stories.uploads,
            stories.revisions,
            stories.removals,
            stories.browser,
            admission,
            stories.selections,
            limits.bytes_allowed,
        ),
        collections=CollectionServicer(
            stories.collections,
            stories.alterations,
            stories.fillings,
            stories.generations,
            stories.estimates,
            stories.runner,
            stories.desk,
            stories.followers,
            adapters.models,
            settings.default_model or BUNDLED_MODEL,
        ),
        models=ModelServicer(adapters.models, adapters.embedder),
        admin=AdminServicer(
            settings.profile,
            adapters.clock.now(),
            _limits(settings),
            _checks(service),
            _admin_stories(service),
        ),
        operations=OperationServicer(stories.desk),
    )


def _admin_stories(service: Service) -> AdminStories:
    upkeep = service.stories.upkeep
    return AdminStories(
        upkeep.backups,
        upkeep.exports,
        upkeep.imports,
        upkeep.purges,
        upkeep.rebuilds,
        upkeep.tuning,
        service.stories.runner,
    )


def _limits(settings: Settings) -> admin_service_pb2.Limits:
    decode = decode_limits(settings)
    return admin_service_pb2.Limits(
        message_bytes=settings.server.message_bytes,
        image_bytes=decode.size_bytes,
        image_pixels=decode.pixels,
        image_side=decode.side,
        decode_time=duration(decode.seconds),
        matches=MATCH_LIMIT,
        page_size=PAGE_LIMIT,
        query_parts=PART_LIMIT,
        batch_searches=SEARCH_LIMIT,
        batch_uploads=UPLOAD_LIMIT,
    )


def _checks(service: Service) -> dict[str, Check]:
    adapters, settings = service.adapters, service.settings

    async def catalog() -> str:
        return f"{await adapters.catalog.ping()} answers"

    async def index() -> str:
        await adapters.index.kept()  # it answers
        generations = await adapters.catalog.generations()
        for generation in generations:
            service.stories.followers.check_ready(generation)
            service.stories.followers.check_built(generation)
        return f"ready: {len(generations)} {'generation' if len(generations) == 1 else 'generations'}"

    async def objects() -> str:
        try:
            await adapters.objects.exists("contents/00/none")
        except SoutuError as error:
            if not settings.objects.url:
                raise
            sentence = "The bucket of objects.url cannot be reached or read."
            raise SoutuError(error.reason, sentence) from error
        return "the bucket answers" if settings.objects.url else "answers"

    async def inference() -> str:
        await adapters.embedder.ping()
        where = "Triton answers" if settings.inference.url else "in this process"
        ready = ", ".join(map(str, sorted(await adapters.embedder.loaded())))
        return f"{where}, models ready: {ready or 'none was needed yet'}"

    async def cache() -> str:
        await adapters.cache.ping()
        return "Redis answers" if settings.cache.url else "in this process"

    async def decoders() -> str:
        return f"{len(adapters.decoders.pids)} processes, {adapters.decoders.replaced} replaced"

    looks = (catalog, index, inference, objects, cache, decoders)
    return {look.__name__: look for look in looks}

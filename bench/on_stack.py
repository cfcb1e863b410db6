"""The paper's stack on the same cores: Triton, Milvus, MariaDB, Redis and S3 behind one service."""

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.bare import CANDIDATES, in_turn_ms, parts_ms
from bench.load import Load, Outcome, driven
from bench.models import card_of, resnet_folder
from bench.pictures import PICTURES, query_pictures, stored_pictures
from bench.raw import RawInference
from bench.report import Row, Table
from bench.scale import Scale
from bench.search_cached import is_cached
from bench.search_image import outcome_rows, picture_load, request, share_row
from bench.server import RunningServer, first_answer, serving
from bench.stack_parts import RunningStack, stack
from bench.stored import COLLECTION, DATA, add_model
from scripts.stack.parts import MODELS
from soutu.client import Client, SoutuCallError, search_request
from soutu.domain.embedding import Vectors
from soutu.v1.collection_pb2 import Index, IndexType
from soutu.v1.collection_service_pb2 import BuildCollectionResponse

TITLE = "On the stack: Triton, Milvus, MariaDB, Redis, S3"
WARM_UP = 50
ROUNDS = 500
SETTLE_S = 15.0  # longer than a search asks Milvus for more than what is there anyway
LIMIT = 10
FILLINGS = 3


@dataclass(frozen=True, slots=True)
class Site:
    """The stack and the service on it."""

    parts: RunningStack
    server: RunningServer

    def cpu_s(self) -> Mapping[str, float]:
        """What each has computed so far."""
        return {"soutu": self.server.cpu_s(), **self.parts.cpu_s()}


@dataclass(frozen=True, slots=True)
class Driven:
    """What a load did, and for how long each part computed for one of its calls, in ms."""

    outcome: Outcome
    cpu_ms: Mapping[str, float]


def run(scale: Scale) -> list[Table]:
    """A build into empty parts; then searches in what was stored by a former run, or is now, once. What they
    are compared with is measured between and beside."""
    model = resnet_folder()
    raw = RawInference(model, scale.seconds)
    subject = f"{card_of(model).ref}, {scale.images:,} pictures"
    filled(model, scale.images)
    raw.measure()
    built = build_table(model, scale, raw)
    raw.measure()
    with site(model, store_of(model, scale.images)) as here:
        small = query_pictures(scale.queries)
        first_answer(here.server.address, search_request(COLLECTION, small[-1]))
        time.sleep(SETTLE_S)
        by_picture = measured(here, picture_load(here.server.address, small))
        raw.measure()
        again = same_again(here, request(small[0]))
        vector = new_vectors(here, model, scale.vector_queries)
    return [built, Table(f"{subject} stored", picture_rows(by_picture, raw)), again, vector]


@contextmanager
def site(model: Path, place: Path) -> Iterator[Site]:
    """The service on the stack, both with their data in `place`."""
    ref = card_of(model).ref
    shutil.copytree(model, MODELS / ref.name / ref.version, dirs_exist_ok=True)
    data = place / "service"
    if not data.exists():
        data.mkdir(parents=True)
        add_model(data, model)
    with (
        stack(place) as parts,
        serving(data, **parts.settings, BUILD_ROOTS=str(PICTURES)) as server,
    ):
        yield Site(parts, server)


def store_of(model: Path, count: int) -> Path:
    return DATA / f"stack-{card_of(model).ref}-{count}"


def filled(model: Path, count: int) -> None:
    """Has the stack's data of so many pictures in `store_of`, from a former run or made now; one that was
    broken off is gone on with."""
    place = store_of(model, count)
    if (place / "filled").exists():
        return
    print(f"filling {place.name}, once", flush=True)
    with site(model, place) as here, Client(here.server.address) as client:
        create(client, model)
        for _ in range(FILLINGS):  # what failed on a machine that is too busy is tried again
            if not build(client, count).failed:
                break
        held = client.collections.get(COLLECTION).image_count
        assert held == count, f"{held:,} of {count:,} pictures are stored; run it again"
        time.sleep(3 * SETTLE_S)  # the service has the index built once nothing was written for half a minute
    (place / "filled").touch()


def build_table(model: Path, scale: Scale, raw: RawInference) -> Table:
    """A build into empty parts, and what each of them computed for one picture."""
    place = DATA / "stack-build"
    shutil.rmtree(place, ignore_errors=True)
    with site(model, place) as here:
        before = here.cpu_s()
        rate = build_rate(here.server.address, model, scale.build)
        spent = spent_ms(before, here.cpu_s(), scale.build)
    share = Row("build, share of raw inference", 100 * rate / raw.best, "%", ">= 60")
    rows = [share, Row("build", rate, "images/s"), *raw.rows(), *cpu_rows("build", spent)]
    return Table(f"{card_of(model).ref}, {scale.build:,} pictures built", rows)


def build_rate(address: str, model: Path, count: int) -> float:
    """Images a second of a build by reference into an HNSW index, from the call to its end."""
    stored_pictures(count)
    with Client(address) as client:
        create(client, model)
        started = time.perf_counter()
        built = build(client, count)
        seconds = time.perf_counter() - started
    assert (built.added, built.failed) == (count, 0), f"{built.added} were built, {built.failed} failed"
    return count / seconds


def create(client: Client, model: Path) -> None:
    """Makes the collection, if it is not there."""
    index = Index(type=IndexType.INDEX_TYPE_HNSW)
    try:
        client.collections.create(COLLECTION, model=f"models/{card_of(model).ref}", index=index)
    except SoutuCallError as error:
        if error.reason != "COLLECTION_EXISTS":
            raise


def build(client: Client, count: int) -> BuildCollectionResponse:
    """Builds what is not there yet of so many pictures, by reference."""
    return client.collections.build(COLLECTION, PICTURES / "stored", include=stored_pictures(count)).wait()


def measured(here: Site, load: Load) -> Driven:
    """Drives the load, and looks at what every process computes meanwhile."""
    before = here.cpu_s()
    outcome = driven(load)
    spent = spent_ms(before, here.cpu_s(), load.calls + load.warm_up + load.channels)
    return Driven(outcome, {**spent, "the load": 1e3 * outcome.cpu_s / load.calls})


def spent_ms(before: Mapping[str, float], after: Mapping[str, float], calls: int) -> dict[str, float]:
    return {name: 1e3 * (after[name] - before[name]) / calls for name in after}


def same_again(here: Site, asked: bytes) -> Table:
    """One query again and again, one caller; the first ones make the answer and are not counted."""
    warm = [asked] * (ROUNDS + WARM_UP)
    again = measured(here, Load(here.server.address, warm, ROUNDS, 1, channels=1, warm_up=WARM_UP))
    bare = parts_ms(here.parts.settings, asked, len(again.outcome.replies[-1]), ROUNDS)
    return Table("The same search again", cached_rows(again, bare))


def new_vectors(here: Site, model: Path, count: int) -> Table:
    """A new vector each call, one caller, who asks the service and Milvus in turn."""
    queries = unit_vectors(card_of(model).dimension, 2 * count)
    asked = [
        search_request(COLLECTION, each, page_size=LIMIT).SerializeToString() for each in queries[count:]
    ]
    before = here.cpu_s()
    ours, engine = in_turn_ms(here.server.address, here.parts.settings, asked, queries[:count])
    spent = spent_ms(before, here.cpu_s(), count)
    title = f"A new vector, {queries.shape[1]} dimensions, one caller, the service and Milvus in turn"
    return Table(title, vector_rows(ours, engine, spent))


def unit_vectors(dimension: int, count: int) -> Vectors:
    """At random, float32 (count, dimension)."""
    vectors = np.random.default_rng(count).standard_normal((count, dimension), np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def picture_rows(ours: Driven, raw: RawInference) -> list[Row]:
    shares = [share_row("500 px", ours.outcome, raw.best, ">= 55"), *outcome_rows("500 px", ours.outcome)]
    return [*shares, *cpu_rows("500 px", ours.cpu_ms)]


def cpu_rows(what: str, cpu_ms: Mapping[str, float]) -> Iterator[Row]:
    whole = sum(cpu_ms.values())
    for name, spent in sorted(cpu_ms.items(), key=lambda each: -each[1]):
        yield Row(
            f"{what}, computed by {name}", spent, "ms", remark=f"{spent / whole:.0%} of the cores' time"
        )


def cached_rows(again: Driven, bare: Mapping[str, float]) -> list[Row]:
    ours, least = again.outcome.latency_ms(50), sum(bare.values())
    remembered = sum(is_cached(reply) for reply in again.outcome.replies) / len(again.outcome.replies)
    return [
        Row("median, as a multiple of the bare parts' sum", ours / least, "times", "<= 3"),
        Row("median", ours, "ms"),
        *(Row(what, value, "ms") for what, value in bare.items()),
        Row("answers from the cache", 100 * remembered, "%", "100"),
        *cpu_rows("again", again.cpu_ms),
    ]


def vector_rows(ours: float, engine: float, cpu_ms: Mapping[str, float]) -> list[Row]:
    return [
        Row("median beyond Milvus called directly", ours - engine, "ms", "<= 2.5"),
        Row("median", ours, "ms"),
        Row("Milvus called directly, median", engine, "ms", remark=f"ef {CANDIDATES}"),
        *cpu_rows("both", cpu_ms),
    ]

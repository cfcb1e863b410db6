"""The paper's stack on the same cores: Triton, Milvus, MariaDB, Redis and S3 behind one service."""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
import numpy as np
import pymysql
import redis
from pymilvus import MilvusClient
from sqlalchemy.engine import make_url

from bench.load import Load, Outcome, driven
from bench.models import card_of, resnet_folder
from bench.pictures import PICTURES, query_pictures, stored_pictures
from bench.raw import RawInference
from bench.report import Row, Table
from bench.scale import Scale
from bench.search_cached import echoing, is_cached
from bench.search_image import outcome_rows, picture_load, request, share_row
from bench.server import first_answer, serving
from bench.stored import COLLECTION, DATA, add_model
from scripts.stack.parts import MODELS, PARTS
from scripts.stack.running import ended, launched
from soutu.client import Client, search_request
from soutu.domain.embedding import Vectors
from soutu.v1.collection_pb2 import Index, IndexType

TITLE = "On the stack: Triton, Milvus, MariaDB, Redis, S3"
WARM_UP = 50
CANDIDATES = 64  # ef, the service's own default for an HNSW index on Milvus
ROUNDS = 500
SETTLE_S = 20.0
LIMIT = 10


def run(scale: Scale) -> list[Table]:
    """One build, then searches in what it built, by one server; what they are compared with runs between."""
    model = resnet_folder()
    shutil.copytree(model, MODELS / card_of(model).ref.name / card_of(model).ref.version, dirs_exist_ok=True)
    raw = RawInference(model, scale.seconds)
    raw.measure()
    with stack() as settings, serving(made(model), **settings, BUILD_ROOTS=str(PICTURES)) as server:
        rate = build_rate(server.address, model, scale.images)
        time.sleep(SETTLE_S)  # Milvus builds its index in the background
        small = query_pictures(scale.queries)
        first_answer(server.address, search_request(COLLECTION, small[-1]))
        by_picture = driven(picture_load(server.address, small))
        again = repeated(server.address, small[0])
        by_vector = vector_searches(server.address, vectors_for(model, scale.vector_queries + WARM_UP))
        bare = bare_parts(settings, len(again.replies[-1]))
        engine = engine_ms(settings, vectors_for(model, scale.vector_queries))
    raw.measure()
    subject, dimension = f"{card_of(model).ref}, {scale.images:,} pictures", card_of(model).dimension
    return [
        Table(f"{subject} built", [share("build", rate, raw, ">= 60"), *raw.rows()]),
        Table(f"{subject} stored", picture_rows(by_picture, raw)),
        Table("The same search again", cached_rows(again, bare)),
        Table(f"A new vector, {dimension} dimensions, one caller", vector_rows(by_vector, engine)),
    ]


@contextmanager
def stack() -> Iterator[Mapping[str, str]]:
    """Every part, with fresh data under build/bench; Soutu's settings for them, without the prefix SOUTU_."""
    place = DATA / "stack"
    shutil.rmtree(place, ignore_errors=True)
    settings: dict[str, str] = {}
    with ExitStack() as parts:
        for name in PARTS:
            running = launched(name, place / name)
            parts.callback(ended, running)
            settings |= running.settings
        yield {name.removeprefix("SOUTU_"): value for name, value in settings.items()}


def made(model: Path) -> Path:
    """An empty data directory with the model's card."""
    data = DATA / "on-stack"
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    add_model(data, model)
    return data


def build_rate(address: str, model: Path, count: int) -> float:
    """Images a second of a build by reference into an HNSW index, from the call to its end."""
    with Client(address) as client:
        index = Index(type=IndexType.INDEX_TYPE_HNSW)
        client.collections.create(COLLECTION, model=f"models/{card_of(model).ref}", index=index)
        started = time.perf_counter()
        patterns = stored_pictures(count)
        built = client.collections.build(COLLECTION, PICTURES / "stored", include=patterns).wait()
        seconds = time.perf_counter() - started
    assert (built.added, built.failed) == (count, 0), f"{built.added} were built, {built.failed} failed"
    return count / seconds


def repeated(address: str, picture: bytes) -> Outcome:
    """One query again and again, one caller; the first ones make the answer and are not counted."""
    asked = request(picture)
    return driven(Load(address, [asked] * (ROUNDS + WARM_UP), ROUNDS, 1, channels=1, warm_up=WARM_UP))


def vector_searches(address: str, queries: Vectors) -> Outcome:
    """A new vector each call, one caller; the last ones warm up."""
    asked = [search_request(COLLECTION, each, page_size=LIMIT).SerializeToString() for each in queries]
    return driven(Load(address, asked, len(asked) - WARM_UP, 1, channels=1, warm_up=WARM_UP))


def vectors_for(model: Path, count: int) -> Vectors:
    """Unit vectors at random."""
    vectors = np.random.default_rng(count).standard_normal((count, card_of(model).dimension), np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def engine_ms(settings: Mapping[str, str], queries: Vectors) -> float:
    """The median of Milvus asked directly for the same."""
    client = MilvusClient(settings["INDEX_URL"])
    (name,) = client.list_collections()
    parameters = {"metric_type": "IP", "params": {"ef": CANDIDATES}}
    waiting = iter(queries)

    def search() -> None:
        client.search(
            name, [next(waiting)], limit=LIMIT, output_fields=["revision"], search_params=parameters
        )

    try:
        return median_ms(search, len(queries))
    finally:
        client.close()


def bare_parts(settings: Mapping[str, str], reply_bytes: int) -> Mapping[str, float]:
    """Medians in ms of what a remembered answer needs at least, each part by itself."""
    with ExitStack() as parts:
        cache = parts.enter_context(redis.Redis.from_url(settings["CACHE_URL"]))
        cache.set("bench", bytes(reply_bytes))
        url = make_url(settings["CATALOG_URL"])
        database = pymysql.connect(
            host=url.host, port=url.port or 3306, user=url.username, password=url.password or "",
            database=url.database, autocommit=True,
        )  # fmt: skip
        parts.callback(database.close)
        cursor = parts.enter_context(database.cursor())
        echo = parts.enter_context(echoing(reply_bytes))
        channel = parts.enter_context(grpc.insecure_channel(echo.address))
        asked, call = request(query_pictures(1)[0]), channel.unary_unary("/bench.Echo/Echo")

        def row() -> None:
            cursor.execute("SELECT * FROM collections WHERE id = %s", (COLLECTION,))
            assert cursor.fetchone()

        return {
            "a bare Redis GET": median_ms(lambda: cache.get("bench"), ROUNDS),
            "a bare MariaDB row": median_ms(row, ROUNDS),
            "a bare gRPC echo": median_ms(lambda: call(asked), ROUNDS),
        }


def median_ms(call: Callable[[], object], times: int) -> float:
    """Of so many calls, one after the other, after a tenth more that warm up."""
    spent = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        spent.append(time.perf_counter() - started)
    return 1e3 * float(np.median(spent[times // 10 :]))


def share(what: str, rate: float, raw: RawInference, target: str) -> Row:
    return Row(f"{what}, share of raw inference", 100 * rate / raw.best, "%", target, f"{rate:.1f} images/s")


def picture_rows(outcome: Outcome, raw: RawInference) -> list[Row]:
    return [share_row("500 px", outcome, raw.best, ">= 55"), *outcome_rows("500 px", outcome)]


def cached_rows(again: Outcome, bare: Mapping[str, float]) -> list[Row]:
    ours, least = again.latency_ms(50), sum(bare.values())
    remembered = sum(is_cached(reply) for reply in again.replies) / len(again.replies)
    return [
        Row("median beyond the sum of the bare parts", ours / least, "times", "<= 3"),
        Row("median", ours, "ms"),
        *(Row(what, value, "ms") for what, value in bare.items()),
        Row("answers from the cache", 100 * remembered, "%", "100"),
    ]


def vector_rows(outcome: Outcome, engine: float) -> list[Row]:
    return [
        Row("median beyond Milvus called directly", outcome.latency_ms(50) - engine, "ms", "<= 2.5"),
        Row("median", outcome.latency_ms(50), "ms"),
        Row("Milvus called directly, median", engine, "ms", remark=f"ef {CANDIDATES}"),
        Row("calls that failed", len(outcome.errors), "calls", "0"),
    ]

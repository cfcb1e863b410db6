"""What the parts of the stack take by themselves, asked directly, one call after the other."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

import grpc
import numpy as np
import pymysql
import redis
from pymilvus import MilvusClient
from sqlalchemy.engine import make_url

from bench.load import SEARCH
from bench.search_cached import echoing
from bench.stored import COLLECTION
from soutu.domain.embedding import Vector, Vectors

CANDIDATES = 64  # ef, the service's own default for an HNSW index on Milvus
_LIMIT = 10


def in_turn_ms(
    address: str, settings: Mapping[str, str], requests: Sequence[bytes], queries: Vectors
) -> tuple[float, float]:
    """The medians of searches through the service, and of Milvus asked directly for the ten nearest of a
    vector: in turn, so that both find the machine, and Milvus, as the other has left it."""
    parameters = {"metric_type": "IP", "params": {"ef": CANDIDATES}}
    with ExitStack() as parts:
        channel = parts.enter_context(grpc.insecure_channel(address))
        service = channel.unary_unary(SEARCH)
        client = MilvusClient(settings["INDEX_URL"])
        parts.callback(client.close)
        (name,) = client.list_collections()

        def engine(query: Vector) -> object:
            return client.search(
                name, [query], limit=_LIMIT, output_fields=["revision"], search_params=parameters
            )

        spent = [
            (_seconds(lambda: service(request)), _seconds(lambda: engine(query)))  # noqa: B023 (called at once)
            for request, query in zip(requests, queries, strict=True)
        ]
    ours, engines = np.median(spent[len(spent) // 10 :], axis=0)
    return 1e3 * float(ours), 1e3 * float(engines)


def parts_ms(settings: Mapping[str, str], request: bytes, reply_bytes: int, times: int) -> dict[str, float]:
    """Medians of what a remembered answer needs at least: an echo with messages of these sizes, a value of
    the answer's size from Redis, and a row of MariaDB."""
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
        call = channel.unary_unary("/bench.Echo/Echo")

        def row() -> None:
            cursor.execute("SELECT * FROM collections WHERE id = %s", (COLLECTION,))
            assert cursor.fetchone()

        return {
            "a bare Redis GET": median_ms(lambda: cache.get("bench"), times),
            "a bare MariaDB row": median_ms(row, times),
            "a bare gRPC echo": median_ms(lambda: call(request), times),
        }


def median_ms(call: Callable[[], object], times: int) -> float:
    """Of so many calls, one after the other; the first tenth of them warms up."""
    spent = [_seconds(call) for _ in range(times)]
    return 1e3 * float(np.median(spent[times // 10 :]))


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started

"""The messages of a search: those that pymilvus's client would send, and what is read of the answer."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import grpc
import numpy as np
import pytest
from pymilvus import DataType
from pymilvus.client.prepare import Prepare
from pymilvus.client.ts_utils import construct_guarantee_ts
from pymilvus.exceptions import MilvusException
from pymilvus.grpc_gen import common_pb2, milvus_pb2, schema_pb2

from soutu.adapters.vectors.milvus_quick import Asked, QuickSearches

BOUNDED = {"consistency_level": "Bounded"}
LEVELS: tuple[Mapping[str, Any], ...] = (
    BOUNDED,
    {"consistency_level": "Strong"},
    {"consistency_level": "Customized", "guarantee_timestamp": 77},
)
VECTORS = np.arange(6, dtype=np.float32).reshape(2, 3)


def asked(condition: str = "") -> Asked:
    return Asked("c_1", VECTORS, condition, 14, {"ef": 64}, ["revision"])


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level["consistency_level"])
@pytest.mark.parametrize("condition", ["", "uid > 3"])
def test_the_request_is_the_one_that_pymilvus_makes(level: Mapping[str, Any], condition: str) -> None:
    fresh = dict(level)
    theirs = Prepare.search_requests_with_expr(
        "c_1",
        "vector",
        {"metric_type": "IP", "params": {"ef": 64}},
        14,
        data=[vector.tobytes() for vector in VECTORS],
        schema={"fields": [{"name": "vector", "type": DataType.FLOAT_VECTOR}]},
        expr=condition,
        output_fields=["revision"],
        use_default_consistency=construct_guarantee_ts("c_1", fresh),
        **fresh,
    )
    ours = asked(condition).message(level)
    for message in (ours, theirs):  # JSON, of which the spaces do not count
        for pair in message.search_params:
            pair.value = pair.value.replace(" ", "")
    assert ours == theirs


def answer() -> Any:
    """Two hits of the first vector, one of the second."""
    revisions = schema_pb2.ScalarField(long_data=schema_pb2.LongArray(data=[7, 8, 9]))
    floats = schema_pb2.VectorField(dim=3, float_vector=schema_pb2.FloatArray(data=range(9)))
    return milvus_pb2.SearchResults(
        results=schema_pb2.SearchResultData(
            num_queries=2,
            topks=[2, 1],
            ids=schema_pb2.IDs(int_id=schema_pb2.LongArray(data=[1, 2, 3])),
            scores=[0.5, 0.25, 0.75],
            fields_data=[
                schema_pb2.FieldData(field_name="revision", scalars=revisions),
                schema_pb2.FieldData(field_name="vector", vectors=floats),
            ],
        )
    )


@asynccontextmanager
async def milvus(told: Any, heard: list[dict[str, str]]) -> AsyncIterator[str]:
    """The address of a server that answers searches with `told`, and notes their headers in `heard`."""

    async def search(request: Any, context: Any) -> Any:
        heard.append(dict(context.invocation_metadata()))
        assert request.nq == len(VECTORS)
        return told

    method = grpc.unary_unary_rpc_method_handler(
        search, milvus_pb2.SearchRequest.FromString, milvus_pb2.SearchResults.SerializeToString
    )
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("milvus.proto.milvus.MilvusService", {"Search": method}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"http://127.0.0.1:{port}"
    await server.stop(None)


@asynccontextmanager
async def searches(told: Any, heard: list[dict[str, str]]) -> AsyncIterator[QuickSearches]:
    async with milvus(told, heard) as url:
        searches = QuickSearches.connected(url, token="me:mine", database="d", options={})
        yield searches
        await searches.close()


async def test_each_vector_gets_its_own_hits() -> None:
    heard: list[dict[str, str]] = []
    async with searches(answer(), heard) as there:
        first, second = await there.found(asked(), BOUNDED)
    assert (list(first.uids), list(first.scores), list(first.revisions)) == ([1, 2], [0.5, 0.25], [7, 8])
    assert (list(second.uids), list(second.revisions)) == ([3], [9])
    assert first.vectors.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert second.vectors.tolist() == [[6, 7, 8]]


async def test_it_says_who_asks_and_of_which_database() -> None:
    heard: list[dict[str, str]] = []
    async with searches(answer(), heard) as there:
        await there.found(asked(), BOUNDED)
    assert heard[0].items() >= {"authorization": "bWU6bWluZQ==", "dbname": "d"}.items()


async def test_where_nothing_is_found_there_are_no_hits() -> None:
    nothing = milvus_pb2.SearchResults(results=schema_pb2.SearchResultData(num_queries=2, topks=[0, 0]))
    async with searches(nothing, []) as there:
        found = await there.found(asked(), BOUNDED)
    assert [list(hits.uids) for hits in found] == [[], []]


async def test_a_refusal_keeps_its_code() -> None:
    refusal = milvus_pb2.SearchResults(status=common_pb2.Status(code=101, reason="not loaded"))
    async with searches(refusal, []) as there:
        with pytest.raises(MilvusException) as refused:
            await there.found(asked(), BOUNDED)
    assert refused.value.code == 101

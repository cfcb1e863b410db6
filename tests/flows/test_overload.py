"""Many more calls than can be answered: each is told something, and the server is well afterwards."""

import asyncio
from collections import Counter
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from soutu.v1.search_pb2 import QueryPart, SearchRequest
from tests.flows import pictures
from tests.flows.served import until
from tests.flows.test_admission import NAME, QUERIES, Busy

SEARCH = "/soutu.v1.SearchService/Search"
CHANNELS = 16
DEADLINE_S = 2.0
Answers = Counter[str]


@pytest.fixture
def busy(tmp_path: Path) -> Busy:
    return Busy(tmp_path)


async def burst(address: str, calls: int) -> Answers:
    """So many different searches by picture at once, over several connections."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    channels = [grpc.aio.insecure_channel(address, options) for _ in range(CHANNELS)]
    request = SearchRequest(collection=NAME, parts=[QueryPart(image=pictures.jpeg(70) + bytes(60_000))])
    try:
        await asyncio.gather(*(channel.channel_ready() for channel in channels))
        methods = [channel.unary_unary(SEARCH, bytes, bytes) for channel in channels]
        sent = [methods[turn % CHANNELS](asked(request, turn), timeout=DEADLINE_S) for turn in range(calls)]
        return Counter(await asyncio.gather(*map(answer, sent)))
    finally:
        await asyncio.gather(*(channel.close(None) for channel in channels))


def asked(request: SearchRequest, turn: int) -> bytes:
    """None is like another, so that no answer is kept for the next."""
    request.parts[0].weight = 1 + turn / 10_000
    return request.SerializeToString()


async def answer(call: "grpc.aio.UnaryUnaryCall[bytes, bytes]") -> str:
    """The status, with its reason where it has one; AssertionError at a refusal without an advice."""
    status = await call.code()
    if status is not grpc.StatusCode.RESOURCE_EXHAUSTED:
        return str(status.name)
    trailers = dict(await call.trailing_metadata() or ())
    details = status_pb2.Status.FromString(bytes(trailers["grpc-status-details-bin"])).details
    reason, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    assert any(each.Unpack(reason) for each in details)
    assert any(each.Unpack(retry) for each in details)
    return str(reason.reason)


def test_a_burst_is_answered_or_refused_and_the_server_is_well_at_once(busy: Busy) -> None:
    with busy.served as served:
        served.client.collections.create("busy")
        served.client.images.upload("busy", pictures.jpeg(1), image_id="one")
        answers: Answers = Counter()
        for _ in range(3):
            answers += asyncio.run(burst(served.address, 1_000))
        assert answers.keys() <= {"OK", "QUEUE_FULL", "DEADLINE_EXCEEDED"}, answers
        assert answers["OK"] > 0
        assert answers["QUEUE_FULL"] > answers["OK"]
        assert busy.counter("soutu_queue_refused_total", why="unread", **QUERIES) > 0
        search = SearchRequest(collection=NAME, parts=[QueryPart(image=pictures.jpeg(71))])
        assert served.stubs.search.Search(search, timeout=10).matches
        assert until(lambda: busy.counter("soutu_request_bytes") == 0)
        assert busy.queue_is(0, 0)

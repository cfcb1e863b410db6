"""Large requests that are refused leave nothing behind in the server."""

from collections.abc import Callable
from pathlib import Path

import pytest

from soutu.v1.image_service_pb2 import BatchUploadImagesRequest, UploadImageRequest
from soutu.v1.search_pb2 import QueryPart, SearchRequest, Vector
from tests.flows.refusals import refusal_or_none
from tests.flows.served import Served, until

PICTURE = b"\xff\xd8" + bytes(15_000_000)
HERE = "collections/c"
MISSING = "collections/missing"
# After 200 calls with 3 GB together: some five that gRPC and the allocator have not let go of yet.
GROWN_BYTES = 90 * 1024 * 1024


def refused_calls(server: Served) -> list[Callable[[], object]]:
    """Calls with 15 MB each, none of which can be done."""
    search, images = server.stubs.search, server.stubs.images
    upload = UploadImageRequest(content=PICTURE)
    vector = Vector(values=[1.0] * (len(PICTURE) // 4))
    return [
        lambda: search.Search(SearchRequest(collection=HERE, parts=[QueryPart(image=PICTURE)])),
        lambda: search.Search(SearchRequest(collection=HERE, parts=[QueryPart(vector=vector)])),
        lambda: search.Search(SearchRequest(collection=MISSING, parts=[QueryPart(image=PICTURE)])),
        lambda: images.UploadImage(UploadImageRequest(parent=HERE, content=PICTURE)),
        lambda: images.BatchUploadImages(BatchUploadImagesRequest(parent=HERE, requests=[upload])),
    ]


def resident_bytes(server: Served) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    kib = next(line.split()[1] for line in status if line.startswith("VmRSS"))
    return int(kib) * 1024


@pytest.mark.slow
def test_refused_requests_do_not_pile_up_in_memory(lone_server: Served) -> None:
    lone_server.client.collections.create("c")
    calls = refused_calls(lone_server)
    for call in calls * 4:  # what the allocator keeps for the next ones
        refusal_or_none(call)
    before = resident_bytes(lone_server)
    for call in calls * 40:
        refusal_or_none(call)
    assert until(lambda: resident_bytes(lone_server) - before < GROWN_BYTES)

"""More than can be done: what is refused, how soon, and that nothing is done for those who have gone."""

import io
import socket
import time
import urllib.request
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from threading import Event

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from soutu.v1.image_service_pb2 import (
    BatchUploadImagesRequest,
    StreamUploadImageRequest,
    UploadImageRequest,
)
from soutu.v1.search_pb2 import EmbedRequest, QueryPart, SearchRequest, SearchResponse, Vector
from tests.flows import pictures
from tests.flows.refusals import refusal_of
from tests.flows.served import Served, until

NAME = "collections/busy"
QUERIES = {"queue": "queries"}


class Busy:
    """A server that does one query with a picture at a time, lets three wait, and shows its metrics."""

    def __init__(self, directory: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as found:
            self._metrics_port = found.getsockname()[1]
        settings = {
            "SOUTU_SERVER_METRICS_PORT": str(self._metrics_port),
            "SOUTU_ADMISSION_QUERIES": "1",
            "SOUTU_ADMISSION_QUERIES_WAITING": "3",
            "SOUTU_ADMISSION_REQUEST_BYTES": str(1024 * 1024),
        }
        self.served = Served(directory, settings=settings)

    def counter(self, name: str, **labels: str) -> float:
        """A metric's value now, all its labels that are not given summed up."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._metrics_port}/metrics") as page:
            families = text_string_to_metric_families(page.read().decode())
        samples = [sample for family in families for sample in family.samples if sample.name == name]
        return sum(each.value for each in samples if labels.items() <= each.labels.items())

    def begun(self, picture: bytes) -> "grpc.Future[SearchResponse]":
        """A search under way."""
        request = SearchRequest(collection=NAME, parts=[QueryPart(image=picture)])
        return self.served.stubs.search.Search.future(request, timeout=60)

    def filled(self, seed: int) -> "list[grpc.Future[SearchResponse]]":
        """Searches under way: a slow one, which has its turn, and three that wait."""
        slow = self.begun(slow_picture(seed))
        assert self.queue_is(1, 0)
        others = [self.begun(pictures.jpeg(10 * seed + number)) for number in range(3)]
        assert self.queue_is(1, 3)
        return [slow, *others]

    def queue_is(self, running: int, waiting: int) -> bool:
        """Whether the queue of queries comes to be so."""
        return until(
            lambda: (
                self.counter("soutu_queue_running", **QUERIES) == running
                and self.counter("soutu_queue_length", **QUERIES) == waiting
            )
        )


@cache
def slow_picture(seed: int) -> bytes:
    """A PNG that takes a good part of a second to decode, and few bytes."""
    buffer = io.BytesIO()
    Image.new("RGB", (6_900, 6_900), (seed, 40, 90)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Busy]:
    server = Busy(tmp_path_factory.mktemp("busy"))
    with server.served as served:
        served.client.collections.create("busy")
        served.client.images.upload("busy", pictures.jpeg(1), image_id="one")
        yield server


def test_a_cancelled_search_leaves_its_place_and_runs_no_inference(busy: Busy) -> None:
    embedded = busy.counter("soutu_images_embedded_total")
    first, *others = busy.filled(1)
    for each in others:
        each.cancel()
    assert busy.queue_is(1, 0)
    assert first.result().matches
    assert busy.queue_is(0, 0)
    assert busy.counter("soutu_images_embedded_total") == embedded + 1


def test_a_search_that_is_cancelled_while_it_decodes_runs_no_inference(busy: Busy) -> None:
    embedded, decoded = busy.counter("soutu_images_embedded_total"), busy.counter("soutu_decodes_total")
    search = busy.begun(slow_picture(2))
    assert busy.queue_is(1, 0)
    search.cancel()
    assert busy.queue_is(0, 0)
    assert until(lambda: busy.counter("soutu_decodes_total") > decoded)
    assert busy.counter("soutu_images_embedded_total") == embedded


def test_a_full_queue_refuses_at_once_and_says_when_to_come_again(busy: Busy) -> None:
    waiting = busy.filled(3)
    began_s = time.monotonic()
    with pytest.raises(grpc.RpcError) as caught:
        busy.begun(pictures.jpeg(24)).result()
    assert time.monotonic() - began_s < 0.5
    status, retry = rpc_status.from_call(caught.value), error_details_pb2.RetryInfo()  # type: ignore[arg-type]
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert status is not None
    assert any(detail.Unpack(retry) for detail in status.details)
    assert retry.retry_delay.seconds >= 1
    assert all(each.result().matches for each in waiting)
    assert busy.counter("soutu_queue_refused_total", why="full", **QUERIES) >= 1


def test_what_needs_no_model_does_not_wait_for_what_does(busy: Busy) -> None:
    dimension = busy.served.client.models.get("models/gradient-color").dimension
    waiting = busy.filled(4)
    vector = Vector(values=[1.0] * dimension)
    search = SearchRequest(collection=NAME, parts=[QueryPart(vector=vector)])
    assert busy.served.stubs.search.Search(search, timeout=10).matches
    assert busy.served.client.images.get("one", collection="busy").name == f"{NAME}/images/one"
    assert not waiting[0].done()
    assert all(each.result().matches for each in waiting)


def test_who_cannot_be_answered_in_time_is_refused_before_his_time_is_over(busy: Busy) -> None:
    for seed in (5, 6, 7, 8):
        assert busy.begun(slow_picture(seed)).result().matches  # the server learns how long that takes
    late = busy.counter("soutu_queue_refused_total", why="late", **QUERIES)
    running = busy.begun(slow_picture(9))
    assert busy.queue_is(1, 0)
    request = EmbedRequest(model=NAME, inputs=[QueryPart(image=pictures.jpeg(41))])
    refusal = refusal_of(lambda: busy.served.stubs.search.Embed(request, timeout=0.2))
    assert (refusal.status, refusal.reason) == ("RESOURCE_EXHAUSTED", "QUEUE_FULL")
    assert busy.counter("soutu_queue_refused_total", why="late", **QUERIES) == late + 1
    assert running.result().matches


def test_requests_under_way_are_no_larger_together_than_allowed(busy: Busy) -> None:
    go_on, sent = Event(), Event()

    def pieces() -> Iterator[StreamUploadImageRequest]:
        yield StreamUploadImageRequest(upload=UploadImageRequest(parent=NAME))
        yield StreamUploadImageRequest(chunk=pictures.jpeg(50) + bytes(700_000))
        sent.set()
        go_on.wait(30)

    upload = busy.served.stubs.images.StreamUploadImage.future(pieces(), timeout=60)
    assert sent.wait(10)
    assert until(lambda: busy.counter("soutu_request_bytes") > 700_000)
    large = SearchRequest(collection=NAME, parts=[QueryPart(image=pictures.jpeg(51) + bytes(500_000))])
    refusal = refusal_of(lambda: busy.served.stubs.search.Search(large, timeout=10))
    assert (refusal.status, refusal.reason) == ("RESOURCE_EXHAUSTED", "QUEUE_FULL")
    go_on.set()
    assert upload.result().created
    assert until(lambda: busy.counter("soutu_request_bytes") == 0)
    assert busy.served.stubs.search.Search(large, timeout=10).matches


@pytest.mark.slow
def test_a_search_does_not_wait_behind_a_whole_batch_of_uploads(server: Served, collection: str) -> None:
    parent, picture = f"collections/{collection}", pictures.jpeg(60)
    search = SearchRequest(collection=parent, parts=[QueryPart(image=picture)])
    uploads = [UploadImageRequest(content=slow_picture(60))] * 24
    began_s = time.monotonic()
    batch = server.stubs.images.BatchUploadImages.future(
        BatchUploadImagesRequest(parent=parent, requests=uploads), timeout=120
    )
    time.sleep(0.5)  # it has arrived, and takes some seconds
    asked_s = time.monotonic()
    assert not server.stubs.search.Search(search, timeout=120).matches
    searched_s = time.monotonic() - asked_s
    assert all(result.response.created for result in batch.result().results)
    assert searched_s < (time.monotonic() - began_s) / 2

"""Bad requests and bad behaviour, one by one: the status, the reason, and the field that is told."""

import threading
import time
from collections.abc import Iterator

import grpc
import pytest

from soutu.rpc.unimplemented import FIELDS
from soutu.v1.image_service_pb2 import StreamUploadImageRequest, UploadImageRequest
from soutu.v1.search_pb2 import QueryPart, SearchRequest, Vector
from tests.flows import pictures
from tests.flows.bad_searches import NAME, PICTURE, SEARCHES
from tests.flows.bad_writes import WRITES
from tests.flows.refusals import BadCall, Refusal, refusal_of
from tests.flows.served import Served, Stubs
from tests.flows.unimplemented_fields import CALLS


@pytest.fixture(scope="module")
def stubs(server: Served) -> Iterator[Stubs]:
    """Stubs of the shared server, which has a collection "errors" with an image "one"."""
    server.client.collections.create("errors")
    server.client.images.upload("errors", PICTURE, image_id="one")
    yield server.stubs
    server.client.collections.delete("errors", force=True)


@pytest.mark.parametrize("bad", [*SEARCHES.values(), *WRITES.values()], ids=[*SEARCHES, *WRITES])
def test_a_bad_request_is_told_what_is_wrong_with_it(stubs: Stubs, bad: BadCall) -> None:
    refusal = refusal_of(lambda: bad.call(stubs))
    assert (refusal.status, refusal.reason, refusal.field) == (bad.status, bad.reason, bad.field)
    assert refusal.domain == "soutu"
    assert refusal.message


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_a_field_that_is_not_implemented_is_named_and_never_ignored(stubs: Stubs, field: str) -> None:
    call, path = CALLS[field.removeprefix("soutu.v1.")]
    refusal = refusal_of(lambda: call(stubs))
    assert (refusal.status, refusal.reason) == ("UNIMPLEMENTED", "FEATURE_UNIMPLEMENTED")
    assert refusal.field == path
    assert path in refusal.message


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf"), -float("inf"), 1e-45])
def test_a_vector_without_a_direction_is_refused(stubs: Stubs, server: Served, value: float) -> None:
    dimension = server.client.models.get("models/gradient-color").dimension
    values = [value] * dimension if value == 0 or abs(value) < 1 else [1.0] * (dimension - 1) + [value]
    request = SearchRequest(collection=NAME, parts=[QueryPart(vector=Vector(values=values))])
    refusal = refusal_of(lambda: stubs.search.Search(request))
    assert (refusal.status, refusal.reason) == ("INVALID_ARGUMENT", "VECTOR_INVALID")


@pytest.mark.parametrize("name", pictures.poison())
def test_a_poisonous_picture_is_refused_the_same_everywhere(stubs: Stubs, name: str) -> None:
    picture, reason = pictures.poison()[name]
    search = SearchRequest(collection=NAME, parts=[QueryPart(image=picture)])
    upload = UploadImageRequest(parent=NAME, content=picture)
    for refusal in (
        refusal_of(lambda: stubs.search.Search(search)),
        refusal_of(lambda: stubs.images.UploadImage(upload)),
    ):
        assert (refusal.status, refusal.reason) == ("INVALID_ARGUMENT", reason)


def test_invalid_utf8_is_malformed(server: Served) -> None:
    call = server.stubs.channel.unary_unary("/soutu.v1.SearchService/Search", None, None)
    refusal = refusal_of(lambda: call(b"\x0a\x02\xc3\x28"))
    assert (refusal.status, refusal.reason) == ("INVALID_ARGUMENT", "REQUEST_MALFORMED")


def test_a_method_that_does_not_exist_is_unimplemented(server: Served) -> None:
    call = server.stubs.channel.unary_unary("/soutu.v1.SearchService/Nonsense", None, None)
    assert refusal_of(lambda: call(b"")).status == "UNIMPLEMENTED"


def test_an_oversized_message_is_refused_and_the_server_goes_on(stubs: Stubs, server: Served) -> None:
    limit = server.client.limits().message_bytes
    request = UploadImageRequest(parent=NAME, content=b"x" * (limit + 1))
    assert refusal_of(lambda: stubs.images.UploadImage(request)).status == "RESOURCE_EXHAUSTED"
    assert server.client.serving()


def test_a_picture_over_the_limit_is_refused_with_its_reason(stubs: Stubs, server: Served) -> None:
    request = UploadImageRequest(parent=NAME, content=PICTURE + b"x" * server.client.limits().image_bytes)
    refusal = refusal_of(lambda: stubs.images.UploadImage(request))
    assert (refusal.status, refusal.reason) == ("INVALID_ARGUMENT", "IMAGE_TOO_LARGE")


def test_a_deadline_in_the_past_is_exceeded(stubs: Stubs) -> None:
    request = SearchRequest(collection=NAME, parts=[QueryPart(image=PICTURE)])
    assert refusal_of(lambda: stubs.search.Search(request, timeout=-1)).status == "DEADLINE_EXCEEDED"
    assert refusal_of(lambda: stubs.search.Search(request, timeout=1e-4)).status == "DEADLINE_EXCEEDED"


class Unfinished:
    """A streamed upload of which only the beginning is sent until it is told to go on."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __iter__(self) -> Iterator[StreamUploadImageRequest]:
        yield StreamUploadImageRequest(upload=UploadImageRequest(parent=NAME, image_id="late"))
        yield StreamUploadImageRequest(chunk=PICTURE[:100])
        self.begun.set()
        self.go_on.wait(30)
        yield StreamUploadImageRequest(chunk=PICTURE[100:])


def test_a_deadline_that_passes_under_way_ends_the_call(stubs: Stubs, server: Served) -> None:
    upload = Unfinished()
    began_s = time.monotonic()
    refusal = refusal_of(lambda: stubs.images.StreamUploadImage(iter(upload), timeout=0.5))
    upload.go_on.set()
    assert refusal.status == "DEADLINE_EXCEEDED"
    assert time.monotonic() - began_s < 10
    assert left_nothing(server)


def test_a_cancelled_call_writes_nothing(stubs: Stubs, server: Served) -> None:
    upload = Unfinished()
    call = stubs.images.StreamUploadImage.future(iter(upload))
    assert upload.begun.wait(10)
    call.cancel()  # type: ignore[no-untyped-call]  # grpc-stubs leave it so
    upload.go_on.set()
    with pytest.raises(grpc.FutureCancelledError):
        call.result()
    assert left_nothing(server)


def left_nothing(server: Served) -> bool:
    """Whether the upload that was given up has left no image."""
    request = SearchRequest(collection=NAME, parts=[QueryPart(stored_image=f"{NAME}/images/late")])
    refusal: Refusal = refusal_of(lambda: server.stubs.search.Search(request))
    return refusal.reason == "IMAGE_NOT_FOUND"

"""Clients that misbehave, method by method: whatever comes, the status says what was wrong."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import grpc
import pytest
from google.longrunning import operations_pb2
from google.protobuf.descriptor import MethodDescriptor
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.database import DirectoryBasedExampleDatabase

from soutu.client import SoutuCallError
from soutu.v1 import (
    admin_service_pb2,
    collection_service_pb2,
    image_service_pb2,
    model_service_pb2,
    search_pb2,
)
from soutu.v1.attribute_pb2 import ATTRIBUTE_TYPE_INTEGER, Attribute
from tests.flows import fuzz, odd_fields, pictures
from tests.flows.refusals import Refusal, refusal_of, refusal_or_none
from tests.flows.served import Served

_FILES = [
    search_pb2,
    image_service_pb2,
    collection_service_pb2,
    model_service_pb2,
    admin_service_pb2,
    operations_pb2,
]
METHODS: list[MethodDescriptor] = [
    method
    for file in _FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]
# What would tell strangers of the server's insides.
_INSIDES = ("Traceback", "Exception", "Error(", "site-packages", "sqlite", "asyncio", "object at 0x", ".py")


@pytest.fixture
def fuzzed(server: Served) -> Served:
    """The shared server, with a collection that the fuzzer knows by name and may have deleted before."""
    schema = {"year": Attribute(type=ATTRIBUTE_TYPE_INTEGER)}
    with suppress(SoutuCallError):
        server.client.collections.create(fuzz.COLLECTION, attributes=schema)
    with suppress(SoutuCallError):
        server.client.images.upload(fuzz.COLLECTION, pictures.jpeg(1), image_id="one")
    assert server.client.images.get("one", collection=fuzz.COLLECTION)
    return server


def answer(channel: grpc.Channel, method: MethodDescriptor, request: bytes) -> object:
    """What the server answers to these bytes; raises grpc.RpcError."""
    path, stream = f"/{method.containing_service.full_name}/{method.name}", method.server_streaming
    if method.client_streaming:
        return channel.stream_unary(path, None, None)(iter([request]), timeout=20)
    if stream:
        return list(channel.unary_stream(path, None, None)(request, timeout=20))
    return channel.unary_unary(path, None, None)(request, timeout=20)


def assert_fit_for_strangers(refusal: Refusal) -> None:
    assert refusal.status not in ("INTERNAL", "UNKNOWN"), refusal
    assert refusal.domain == "soutu", refusal
    assert refusal.reason not in ("", "INTERNAL"), refusal
    assert refusal.message, refusal
    assert not [word for word in _INSIDES if word in refusal.message], refusal


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
def test_an_empty_request_never_breaks_a_method(server: Served, method: MethodDescriptor) -> None:
    refusal = refusal_or_none(lambda: answer(server.stubs.channel, method, b""))
    if refusal:
        assert_fit_for_strangers(refusal)
        assert refusal.status in ("INVALID_ARGUMENT", "UNIMPLEMENTED")
        assert refusal.status != "UNIMPLEMENTED" or method.name.lower() in refusal.message.lower()


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
def test_bytes_that_are_no_message_are_refused(server: Served, method: MethodDescriptor) -> None:
    for data in (b"\xff" * 20, b"\x0a\xff\xff\xff\xff\x0f"):
        refusal = refusal_of(partial(answer, server.stubs.channel, method, data))
        assert_fit_for_strangers(refusal)
        assert (refusal.status, refusal.reason) == ("INVALID_ARGUMENT", "REQUEST_MALFORMED")


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
def test_every_field_may_be_odd(fuzzed: Served, method: MethodDescriptor) -> None:
    """Names that are no names, numbers without end, enums out of range, masks of nonsense, one at a time."""
    for path, request in odd_fields.requests(method.input_type):
        data = request.SerializeToString()
        refusal = refusal_or_none(partial(answer, fuzzed.stubs.channel, method, data))
        if refusal:
            assert_fit_for_strangers(refusal)
            assert "\0" not in refusal.message, path
            assert len(refusal.message) < 1_000, path
    assert fuzzed.client.serving()


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
def test_no_message_whatever_brings_a_method_down(
    fuzzed: Served, method: MethodDescriptor, pytestconfig: pytest.Config
) -> None:
    """Another seed each time, which is printed; an input that fails is shrunk and kept in tests/.examples,
    and tried first from then on. `--fuzz-seconds N` spends N seconds on all methods, `--seed N` plays
    a seed again."""
    chosen = int(pytestconfig.getoption("--seed")) or random.randrange(1, 1 << 32)
    end = time.monotonic() + float(pytestconfig.getoption("--fuzz-seconds")) / len(METHODS)
    print(f"seed {chosen}")

    @settings(  # above the seed, which would take the database away
        max_examples=1_000_000,
        database=DirectoryBasedExampleDatabase(Path(__file__).parents[1] / ".examples"),
        deadline=None,
        print_blob=True,
        phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @seed(chosen)
    @given(data=st.data())
    def every_answer_is_sound(data: st.DataObject) -> None:
        request = data.draw(fuzz.messages(method.input_type))
        if time.monotonic() > end and not failed:
            raise OutOfTime
        with noted(failed):
            refusal = refusal_or_none(
                lambda: answer(fuzzed.stubs.channel, method, request.SerializeToString())
            )
            if refusal:
                assert_fit_for_strangers(refusal)

    failed: list[BaseException] = []
    with suppress(OutOfTime):
        every_answer_is_sound()
    assert not failed
    assert fuzzed.client.serving()


class OutOfTime(BaseException):
    """Ends the examples of a method: no fault, so nothing that is shrunk."""


@contextmanager
def noted(failed: list[BaseException]) -> Iterator[None]:
    """Remembers what goes wrong within, so that there is time to shrink it."""
    try:
        yield
    except Exception as error:
        failed.append(error)
        raise

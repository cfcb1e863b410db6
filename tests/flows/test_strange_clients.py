"""Clients that do not keep to gRPC, to its pace, or to life: the server tells them so, or drops them, and
goes on serving the others."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import psutil  # type: ignore[import-untyped]
import pytest

from soutu.v1.image_service_pb2 import DownloadImageRequest, StreamUploadImageRequest, UploadImageRequest
from soutu.v1.image_service_pb2_grpc import ImageServiceStub
from soutu.v1.search_pb2 import QueryPart, SearchRequest
from tests.flows import pictures, wire
from tests.flows.refusals import Refusal, refusal_of
from tests.flows.served import SOURCE_ROOT, Served, until

SEARCH = "/soutu.v1.SearchService/Search"
UPLOAD = "/soutu.v1.ImageService/StreamUploadImage"
DOWNLOAD = "/soutu.v1.ImageService/DownloadImage"
IDLE_S = 1.0
MIB = 2**20
ASKED = SearchRequest(collection="collections/none").SerializeToString()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def counter(port: int, name: str) -> float:
    """One of the server's own counters; 0 before it is first counted."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
        lines = page.read().decode().splitlines()
    return sum(float(each.rsplit(" ", 1)[1]) for each in lines if each.startswith(f"{name} "))


def running_of(method: str) -> str:
    return f'soutu_rpc_running{{method="{method}"}}'


@pytest.fixture(scope="module")
def metrics_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory, metrics_port: int) -> Iterator[Served]:
    """A server that waits a second for its clients, with a collection "c" of one large image, "big"."""
    settings = {"SOUTU_SERVER_IDLE_S": f"{IDLE_S}", "SOUTU_SERVER_METRICS_PORT": str(metrics_port)}
    with Served(tmp_path_factory.mktemp("impatient"), settings=settings) as served:
        served.client.collections.create("c")
        served.client.images.upload("c", pictures.jpeg(1) + bytes(8 * MIB), image_id="big")
        yield served


@pytest.fixture
def running(metrics_port: int) -> Callable[[str], float]:
    """How many calls of a method are under way, by the server's own count."""

    return lambda method: counter(metrics_port, running_of(method))


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\xde\xad\xbe\xef" * 1_000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),  # the beginning of TLS
        wire.PREFACE + b"\xff" * 500,
        wire.PREFACE + wire.frame(wire.SETTINGS, 0, 0) + wire.frame(wire.DATA, 0, 7, b"x" * 100),
        wire.PREFACE + wire.frame(wire.SETTINGS, 0, 0) + wire.frame(wire.HEADERS, 4, 1, b"\xff" * 100),
        wire.PREFACE + wire.frame(wire.SETTINGS, 0, 0) + wire.frame(99, 255, 1, b"?"),
    ],
    ids=[
        "nothing",
        "HTTP 1",
        "noise",
        "TLS",
        "noise in HTTP 2",
        "data of no stream",
        "bad headers",
        "no frame",
    ],
)
def test_whatever_comes_on_the_port_the_others_are_served(server: Served, said: bytes) -> None:
    with wire.RawConnection(server.address) as stranger:
        stranger.socket.sendall(said)
        assert server.client.serving()
    assert server.client.serving()


def test_noise_ends_its_own_connection(server: Served) -> None:
    for said in (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\xde\xad\xbe\xef" * 1_000):
        with wire.RawConnection(server.address) as stranger:
            stranger.socket.sendall(said)
            assert stranger.ended()


@pytest.mark.parametrize("given", ["plain", "é", "a\tb", "\x7f", "x" * 120], ids=repr)
def test_any_request_id_may_be_sent(server: Served, given: str) -> None:
    """gRPC's own clients check what they send; one that does not is answered all the same."""
    with wire.RawConnection(server.address) as stranger:
        stranger.greet()
        stranger.call(SEARCH, ASKED, x_request_id=given)
        assert stranger.frames()[-1] == wire.HEADERS, "the status came"


@pytest.mark.parametrize(
    "metadata",
    [
        (("x-request-id", "x" * 5_000),),
        (("x-request-id", "one"), ("x-request-id", "two")),
        (("x-something-bin", b"\0\xff" * 100),),
        (("grpc-encoding", "nonsense"), ("content-type", "text/html")),
        (("authorization", "Basic \x21"), ("cookie", "a=b")),
    ],
    ids=["long id", "two ids", "binary", "contradictions", "credentials"],
)
def test_odd_metadata_is_no_obstacle(server: Served, metadata: tuple[tuple[str, str | bytes], ...]) -> None:
    call = server.stubs.channel.unary_unary(SEARCH, None, None)
    refusal = refusal_of(lambda: call(ASKED, timeout=10, metadata=metadata))
    assert (refusal.status, refusal.reason, refusal.field) == ("INVALID_ARGUMENT", "FIELD_INVALID", "parts")


def test_too_much_metadata_is_refused(server: Served) -> None:
    call = server.stubs.channel.unary_unary(SEARCH, None, None)
    assert refusal_of(lambda: call(ASKED, metadata=(("x", "y" * 20_000),))).status == "RESOURCE_EXHAUSTED"
    assert server.client.serving()


@pytest.mark.parametrize("how", [grpc.Compression.Gzip, grpc.Compression.Deflate], ids=["gzip", "deflate"])
def test_packed_messages_are_refused_before_they_are_unpacked(
    impatient: Served, how: grpc.Compression
) -> None:
    """A bomb: gRPC would unpack all of it before it looks at the size."""
    server = psutil.Process(impatient.process.pid)
    before = server.memory_info().rss
    with grpc.insecure_channel(impatient.address, [("grpc.max_send_message_length", -1)]) as channel:
        call = channel.unary_unary(SEARCH, None, None)
        refusal = refusal_of(lambda: call(bytes(256 * MIB), timeout=60, compression=how))
    assert refusal.status == "UNIMPLEMENTED"
    assert server.memory_info().rss - before < 64 * MIB


def test_a_call_without_a_request_is_told_so(server: Served) -> None:
    call = server.stubs.channel.stream_unary(SEARCH, None, None)
    refusal = refusal_of(lambda: call(iter([]), timeout=20))
    assert (refusal.status, refusal.reason) == ("INVALID_ARGUMENT", "REQUEST_MALFORMED")


def test_more_requests_than_one_are_not_looked_at(server: Served) -> None:
    call = server.stubs.channel.stream_unary(SEARCH, None, None)
    assert refusal_of(lambda: call(iter([ASKED, b"\xff"]), timeout=20)).field == "parts"


@pytest.mark.parametrize(
    ("path", "first"),
    [
        (SEARCH, None),
        (UPLOAD, None),
        (UPLOAD, StreamUploadImageRequest(upload=UploadImageRequest(parent="collections/c"))),
    ],
    ids=["search", "upload", "upload begun"],
)
def test_a_client_that_says_nothing_is_not_waited_for_long(
    impatient: Served, running: Callable[[str], float], path: str, first: StreamUploadImageRequest | None
) -> None:
    over = threading.Event()

    def reticent() -> Iterator[bytes]:
        if first:
            yield first.SerializeToString()
        over.wait(20)

    call = impatient.stubs.channel.stream_unary(path, None, None)
    refusal = refusal_of(lambda: call(reticent(), timeout=20))
    over.set()
    assert (refusal.status, refusal.reason) == ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED")
    assert "for 1 s" in refusal.message
    assert until(lambda: running(path) == 0)


def test_a_client_that_reads_nothing_holds_no_call(
    impatient: Served, running: Callable[[str], float]
) -> None:
    request = DownloadImageRequest(name="collections/c/images/big")
    narrow = [("grpc.http2.bdp_probe", 0)]  # else gRPC may come to take the whole file unread
    with grpc.insecure_channel(impatient.address, narrow) as channel:
        answers = ImageServiceStub(channel).DownloadImage(request, timeout=30)
        next(iter(answers))
        assert until(lambda: running(DOWNLOAD) == 0, 25)
        refusal: Refusal = refusal_of(lambda: list(answers))
    assert (refusal.status, refusal.reason) == ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED")


_UPLOADER = f"""
import sys, time
import grpc
def parts():
    yield bytes.fromhex(sys.argv[2])
    print("begun", flush=True)
    time.sleep(60)
grpc.insecure_channel(sys.argv[1]).stream_unary("{UPLOAD}", None, None)(parts())
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_a_client_that_vanishes_leaves_nothing(
    impatient: Served, running: Callable[[str], float], how: signal.Signals
) -> None:
    head = StreamUploadImageRequest(upload=UploadImageRequest(parent="collections/c", image_id="gone"))
    command = [sys.executable, "-c", _UPLOADER, impatient.address, head.SerializeToString().hex()]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(SOURCE_ROOT)}
    ) as client:
        assert client.stdout
        client.stdout.readline()
        client.send_signal(how)
        try:
            assert until(lambda: running(UPLOAD) == 0, 10)
        finally:
            client.kill()
    assert impatient.client.images.count("c") == 1


def test_cancelled_searches_stop_working(tmp_path: Path) -> None:
    """Shown by counters: once their calls are given up, pictures that wait are not decoded any more."""
    port = free_port()
    settings = {"SOUTU_SERVER_METRICS_PORT": str(port), "SOUTU_DECODE_WORKERS": "1"}
    with Served(tmp_path, settings=settings) as served:
        served.client.collections.create("c")
        picture = QueryPart(image=pictures.jpeg(1, 4_000, 3_000))
        requests = [  # no two are equal: equal ones would be answered by one of them
            SearchRequest(collection="collections/c", parts=[picture], page_size=1 + number)
            for number in range(60)
        ]
        calls = [served.stubs.search.Search.future(request) for request in requests]
        assert until(lambda: counter(port, "soutu_decodes_total") > 0)
        for call in calls:
            call.cancel()  # type: ignore[no-untyped-call]
        assert until(lambda: counter(port, running_of(SEARCH)) == 0)
        decoded = counter(port, "soutu_decodes_total")
        time.sleep(1)
        assert counter(port, "soutu_decodes_total") <= decoded + 1, "the one under way ends"
        assert counter(port, f'soutu_rpc_requests_total{{code="CANCELLED",method="{SEARCH}"}}') > 0

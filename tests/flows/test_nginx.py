"""nginx before the service, by the very file that docker-compose.yml mounts: it ends TLS."""

import io
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from scripts.stack.places import StackError, debian_program, free_port
from soutu.client import Client, SoutuCallError
from soutu.v1.image_service_pb2 import UploadImageRequest
from soutu.v1.image_service_pb2_grpc import ImageServiceStub
from tests.flows import pictures
from tests.flows.authorities import Authority
from tests.flows.served import Served, until
from tests.project.source import ROOT

pytestmark = pytest.mark.slow
CONFIGURATION = ROOT / "deploy" / "nginx" / "nginx.conf"


class Proxy:
    """An nginx with the compose file's configuration, its paths and addresses replaced."""

    def __init__(self, place: Path, upstream: str, authority: Authority) -> None:
        signed, self.port = authority.sign("proxy"), free_port()
        text = CONFIGURATION.read_text("utf-8")
        for ours, theirs in {
            "/tmp/": f"{place}/",
            "listen 8443": f"listen 127.0.0.1:{self.port}",
            "soutu:50051": upstream,
            "/run/secrets/tls_certificate": str(signed.certificate),
            "/run/secrets/tls_key": str(signed.private_key),
        }.items():
            assert ours in text
            text = text.replace(ours, theirs)
        (place / "nginx.conf").write_text(text)
        self._log = place / "nginx.log"
        self.address = f"127.0.0.1:{self.port}"

    def start(self, program: str) -> "subprocess.Popen[bytes]":
        """Starts it, as the image does; its user is ours."""
        place = self._log.parent
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [program, "-p", str(place), "-c", str(place / "nginx.conf"), "-g", "daemon off;"],
                stdout=log,
                stderr=log,
            )


class ServedThere(Served):
    """A server that comes back where it was."""

    port = free_port()

    def program(self) -> Sequence[str]:
        """As Served, with a port of its own."""
        return *super().program(), "--port", str(self.port)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with ServedThere(tmp_path) as served:
        served.client.collections.create("c")
        yield served


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


@pytest.fixture
def proxy(tmp_path: Path, served: Served, authority: Authority) -> Iterator[Proxy]:
    place = tmp_path / "nginx"
    place.mkdir()
    try:
        program = debian_program("nginx", "nginx-light")
    except StackError as error:
        pytest.skip(str(error))
    proxy = Proxy(place, served.address, authority)
    process = proxy.start(program)
    try:
        with Client(proxy.address, tls=authority.trusted()) as client:
            until(lambda: answers(client))
        yield proxy
    finally:
        process.terminate()
        process.wait(20)


def answers(client: Client) -> bool:
    try:
        return client.serving(1.0)
    except SoutuCallError:
        return False


@pytest.fixture
def client(proxy: Proxy, authority: Authority) -> Iterator[Client]:
    with Client(proxy.address, tls=authority.trusted(), timeout_s=20) as client:
        yield client


def test_calls_go_through_and_reasons_come_back(client: Client) -> None:
    client.images.upload("c", pictures.jpeg(1), image_id="i")
    assert [match.name for match in client.search("c", pictures.jpeg(1)).matches] == [
        "collections/c/images/i"
    ]
    whole = io.BytesIO()
    client.images.download("i", whole, collection="c")
    assert whole.getvalue() == pictures.jpeg(1)
    with pytest.raises(SoutuCallError) as failure:
        client.search("c", b"no picture")
    assert failure.value.reason == "IMAGE_FORMAT_UNSUPPORTED"


def test_a_message_that_is_too_large_is_refused_in_the_services_words(
    proxy: Proxy, authority: Authority
) -> None:
    request = UploadImageRequest(parent="collections/c", content=bytes(30 * 2**20))
    options = [("grpc.max_send_message_length", -1)]
    with (
        grpc.secure_channel(proxy.address, authority.trusted().credentials(), options) as channel,
        pytest.raises(grpc.RpcError) as failure,
    ):
        ImageServiceStub(channel).UploadImage(request, timeout=20)
    status, info = rpc_status.from_call(cast(grpc.Call, failure.value)), ErrorInfo()
    assert status is not None
    assert status.details[0].Unpack(info)
    assert info.reason == "IMAGE_TOO_LARGE"


def test_while_the_service_is_away_clients_are_told_so_and_it_is_found_again(
    served: Served, client: Client
) -> None:
    served.stop()
    with pytest.raises(SoutuCallError) as failure:
        client.images.count("c")
    assert failure.value.status == "UNAVAILABLE"
    served.restart()
    assert until(lambda: answers(client))
    assert client.images.count("c") == 0

"""Pictures by address, through a real server and a real site beside it."""

import hashlib
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from soutu.client import Uri
from soutu.v1.image_pb2 import Image
from soutu.v1.image_service_pb2 import BatchUploadImagesRequest, UploadImageRequest
from soutu.v1.search_pb2 import CompareRequest, EmbedRequest, QueryPart, SearchRequest, SearchResponse
from tests.flows.pictures import jpeg
from tests.flows.refusals import Refusal, refusal_of
from tests.flows.served import Served

ROOT = Path(__file__).parents[2]
PATHS = f"{ROOT / 'service'}:{ROOT}"
PICTURES = {"/one.jpg": jpeg(21), "/two": jpeg(22), "/text.jpg": b"no picture", "/big.jpg": bytes(400_000)}


class Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = PICTURES.get(self.path)
        moved = {"/moved": "/one.jpg", "/away": "http://169.254.169.254/latest/meta-data/"}.get(self.path)
        self.send_response(302 if moved else 200 if body is not None else 404)
        self.send_header("Location", moved or "")
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *args: object) -> None:
        """Nothing is printed."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of the site."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as site:
        thread = threading.Thread(target=site.serve_forever)
        thread.start()
        yield site.server_port
        site.shutdown()
        thread.join()


class Neighbourly(Served):
    """A server that fetches from this machine."""

    module = "tests.flows.neighbourly"


def settings(port: int) -> dict[str, str]:
    return {
        "SOUTU_FETCH_HOSTS": f"127.0.0.1:{port},localhost:{port}",
        "SOUTU_FETCH_HTTP": "true",
        "SOUTU_FETCH_IMAGE_BYTES": "300000",
    }


@pytest.fixture(scope="module")
def neighbour(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Served]:
    variables = settings(port) | {"PYTHONPATH": PATHS}
    with Neighbourly(tmp_path_factory.mktemp("fetching"), [], variables) as served:
        served.client.collections.create("c")
        yield served


def uploading(uri: str, image_id: str = "", **fields: str) -> UploadImageRequest:
    return UploadImageRequest(parent="collections/c", image_id=image_id, uri=uri, image=Image(**fields))  # type: ignore[arg-type]


def search(server: Served, *parts: QueryPart) -> SearchResponse:
    return server.stubs.search.Search(SearchRequest(collection="collections/c", parts=parts))


def refusal(server: Served, uri: str) -> Refusal:
    """How an address is refused, alike in an upload and in a query."""
    uploaded = refusal_of(lambda: server.stubs.images.UploadImage(uploading(uri)))
    asked = refusal_of(lambda: search(server, QueryPart(uri=uri)))
    assert (uploaded.status, uploaded.reason, uploaded.message) == (asked.status, asked.reason, asked.message)
    assert asked.field == "parts[0]" or asked.reason.startswith("IMAGE_")
    return uploaded


def test_a_picture_is_uploaded_and_searched_for_by_address(neighbour: Served, port: int) -> None:
    uri = f"http://127.0.0.1:{port}/moved"
    uploaded = neighbour.stubs.images.UploadImage(uploading(uri, "one", title="One"))
    assert (uploaded.created, uploaded.image.source_uri, uploaded.image.title) == (True, uri, "One")
    assert uploaded.image.content.sha256 == hashlib.sha256(PICTURES["/one.jpg"]).hexdigest()
    neighbour.client.images.upload("c", PICTURES["/two"], image_id="two")
    for _ in range(2):
        answer = search(neighbour, QueryPart(uri=f"http://localhost:{port}/one.jpg"))
        assert answer.matches[0].image.name.endswith("/one")
        assert answer.matches[0].score > 0.999
        assert not answer.report.cached  # what lies at an address may change


def test_our_client_names_addresses(neighbour: Served, port: int) -> None:
    address = Uri(f"http://127.0.0.1:{port}/two")
    answer = neighbour.client.images.upload("c", address, image_id="by-client", title="Two")
    assert answer.image.title == "Two"
    assert neighbour.client.search("c", address).matches[0].score > 0.999


def test_what_the_user_says_of_the_source_stays(neighbour: Served, port: int) -> None:
    given = uploading(f"http://127.0.0.1:{port}/one.jpg", source_uri="https://archive.example/1")
    assert neighbour.stubs.images.UploadImage(given).image.source_uri == "https://archive.example/1"


def test_addresses_go_with_other_parts_batches_comparisons_and_embeddings(
    neighbour: Served, port: int
) -> None:
    part = QueryPart(uri=f"http://127.0.0.1:{port}/two")
    assert search(neighbour, part, QueryPart(image=jpeg(22), weight=0.5)).matches
    compared = neighbour.stubs.search.Compare(
        CompareRequest(collection="collections/c", first=part, second=QueryPart(image=PICTURES["/two"]))
    )
    assert compared.score > 0.999
    assert len(neighbour.stubs.search.Embed(EmbedRequest(model="collections/c", inputs=[part])).vectors) == 1
    batch = BatchUploadImagesRequest(
        parent="collections/c",
        requests=[uploading(f"http://127.0.0.1:{port}/{page}") for page in ("two", "none")],
    )
    good, bad = neighbour.stubs.images.BatchUploadImages(batch).results
    assert good.status.code == 0
    assert "404" in bad.status.message


@pytest.mark.parametrize(
    ("page", "status", "reason"),
    [
        ("/missing", "FAILED_PRECONDITION", "URI_REFUSED"),
        ("/away", "PERMISSION_DENIED", "URI_NOT_ALLOWED"),
        ("/text.jpg", "INVALID_ARGUMENT", "IMAGE_FORMAT_UNSUPPORTED"),
        ("/big.jpg", "INVALID_ARGUMENT", "IMAGE_TOO_LARGE"),
    ],
)
def test_what_cannot_be_had_is_refused(
    neighbour: Served, port: int, page: str, status: str, reason: str
) -> None:
    found = refusal(neighbour, f"http://127.0.0.1:{port}{page}")
    assert (found.status, found.reason) == (status, reason)


@pytest.mark.slow
def test_https_is_followed_to_a_certificate_that_is_trusted(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as site:
        site.socket = context.wrap_socket(site.socket, server_side=True)
        thread = threading.Thread(target=site.serve_forever)
        thread.start()
        hosts = {"SOUTU_FETCH_HOSTS": f"*.invalid,localhost:{site.server_port}", "PYTHONPATH": PATHS}
        trusted = hosts | {"SSL_CERT_FILE": str(tmp_path / "authority.pem")}
        try:
            with Neighbourly(tmp_path / "trusting", [], trusted) as server:
                server.client.collections.create("c")
                uploaded = server.stubs.images.UploadImage(
                    uploading(f"https://localhost:{site.server_port}/moved", "one")
                )
                assert uploaded.image.content.media_type == "image/jpeg"
                found = refusal(server, f"http://localhost:{site.server_port}/one.jpg")
                assert found.reason == "URI_NOT_ALLOWED"
            with Neighbourly(tmp_path / "doubting", [], hosts) as server:
                server.client.collections.create("c")
                found = refusal(server, f"https://localhost:{site.server_port}/one.jpg")
                assert (found.status, found.reason) == ("FAILED_PRECONDITION", "URI_UNREACHABLE")
        finally:
            site.shutdown()
            thread.join()


def test_a_server_fetches_nothing_unless_it_is_told_to(server: Served, new_collection: object) -> None:
    server.client.collections.create("c")
    try:
        found = refusal(server, "https://example.com/a.jpg")
    finally:
        server.client.collections.delete("c", force=True)
    assert (found.status, found.reason) == ("FAILED_PRECONDITION", "URI_DISABLED")


def test_this_machine_is_refused_though_its_name_is_allowed(tmp_path: Path, port: int) -> None:
    with Served(tmp_path / "server", [], settings(port)) as server:
        server.client.collections.create("c")
        for host in ("127.0.0.1", "localhost"):
            found = refusal(server, f"http://{host}:{port}/one.jpg")
            assert (found.status, found.reason) == ("PERMISSION_DENIED", "URI_ADDRESS_NOT_ALLOWED")
        for uri, reason in (
            ("https://example.com/a.jpg", "URI_NOT_ALLOWED"),
            (f"http://2130706433:{port}/one.jpg", "URI_NOT_ALLOWED"),
            (f"http://me:secret@127.0.0.1:{port}/one.jpg", "URI_INVALID"),
            ("file:///etc/passwd", "URI_INVALID"),
            ("", "URI_INVALID"),
        ):
            assert refusal(server, uri).reason == reason

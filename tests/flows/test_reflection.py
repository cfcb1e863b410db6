"""Tools without our proto files: grpcurl and ghz find and call everything through reflection."""

import base64
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows import pictures
from tests.flows.served import Served

UNPACK = Path(__file__).parents[3] / "shared" / "tools" / "unpack"
SERVICES = {
    "soutu.v1.SearchService",
    "soutu.v1.ImageService",
    "soutu.v1.CollectionService",
    "soutu.v1.ModelService",
    "soutu.v1.AdminService",
    "google.longrunning.Operations",
    "grpc.health.v1.Health",
}


@pytest.fixture(scope="module")
def tools() -> Path:
    """The directory of grpcurl and ghz, laid out once and kept: unpacking takes seconds."""
    script = Path(os.environ.get("SOUTU_TOOLS_UNPACK", UNPACK))
    if not script.exists():
        pytest.skip(f"grpcurl and ghz are not here: {script} does not exist")
    directory = Path(tempfile.gettempdir()) / f"soutu-tools-{os.getuid()}"
    subprocess.run([str(script), str(directory)], check=True, capture_output=True)
    return directory


@pytest.fixture(scope="module")
def query(server: Served) -> Iterator[str]:
    """A search of a collection with three images, as JSON."""
    server.client.collections.create("reflected")
    for seed in range(3):
        server.client.images.upload("reflected", pictures.jpeg(seed, 96, 72), image_id=f"i{seed}")
    image = base64.b64encode(pictures.jpeg(1, 96, 72)).decode()
    yield json.dumps({"collection": "collections/reflected", "parts": [{"image": image}]})
    server.client.collections.delete("reflected", force=True)


def run(*command: object) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_grpcurl_lists_every_service(server: Served, tools: Path) -> None:
    listed = set(run(tools / "grpcurl", "-plaintext", server.address, "list").split())
    assert listed >= SERVICES


@pytest.mark.slow
@pytest.mark.parametrize("service", sorted(SERVICES))
def test_grpcurl_describes_every_service_and_its_messages(server: Served, tools: Path, service: str) -> None:
    described = run(tools / "grpcurl", "-plaintext", server.address, "describe", service)
    assert described.startswith(f"{service} is a service")
    kinds = {word.strip("().;") for word in described.split() if word.startswith("(") or "." in word[1:-1]}
    for kind in sorted(kind for kind in kinds if kind.startswith(("soutu.v1.", "google.longrunning."))):
        if kind != service:
            assert "is a message" in run(tools / "grpcurl", "-plaintext", server.address, "describe", kind)


def test_grpcurl_searches_without_a_proto_file(server: Served, tools: Path, query: str) -> None:
    answer = json.loads(
        run(tools / "grpcurl", "-plaintext", "-d", query, server.address, "soutu.v1.SearchService/Search")
    )
    assert answer["matches"][0]["name"] == "collections/reflected/images/i1"
    assert len(answer["matches"]) == 3


def test_grpcurl_reads_the_reason_of_an_error(server: Served, tools: Path) -> None:
    command = [tools / "grpcurl", "-plaintext", "-format-error", "-d", '{"name": "collections/nope"}']
    command += [server.address, "soutu.v1.CollectionService/GetCollection"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "COLLECTION_NOT_FOUND" in done.stderr


@pytest.mark.slow
def test_ghz_searches_without_a_proto_file_and_without_an_error(
    server: Served, tools: Path, query: str
) -> None:
    command = [tools / "ghz", "--insecure", "--call", "soutu.v1.SearchService/Search", "-n", "50", "-c", "4"]
    report = json.loads(run(*command, "-d", query, "-O", "json", server.address))
    assert report["statusCodeDistribution"] == {"OK": 50}
    assert not report.get("errorDistribution")


def test_the_server_says_that_every_service_serves(server: Served, tools: Path) -> None:
    for service in ("", *sorted(SERVICES)):
        question = json.dumps({"service": service})
        health = [
            tools / "grpcurl",
            "-plaintext",
            "-d",
            question,
            server.address,
            "grpc.health.v1.Health/Check",
        ]
        assert json.loads(run(*health))["status"] == "SERVING", service

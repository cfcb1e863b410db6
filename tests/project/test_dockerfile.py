"""The Dockerfile's steps, run in a clean directory without containers; what they made serves."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scripts.stack.places import free_port
from soutu.client import Client
from tests.flows import pictures
from tests.flows.served import until
from tests.project.dockerfile import Build, Stage, steps, wanted, words
from tests.project.source import ROOT

FILE = ROOT / "Dockerfile"
NOBODY = 10_001


def another_user() -> dict[str, Any]:
    """What a process is started with to be the image's user. Only root may say so, and only where this
    Python, which stands for that of the image, does not lie in a home that the user cannot enter, and where
    /dev/null is everybody's, as in every container."""
    ours = Path(sys.base_prefix)
    reached = all(directory.stat().st_mode & 0o001 for directory in (ours, *ours.parents))
    reached = reached and bool(Path("/dev/null").stat().st_mode & 0o002)
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 and reached else {}


@dataclass(frozen=True, slots=True)
class Image:
    """The last stage, and the directory that stands for its volume."""

    stage: Stage
    prefix: Path
    data: Path

    def start(self, *command: str, **variables: str) -> "subprocess.Popen[str]":
        """What `docker run` starts: by the image's user and environment and nothing else's."""
        said = self.stage.said
        environment = {
            **self.stage.env,
            "HOME": str(self.data),
            "SOUTU_DATA_DIR": str(self.data),
            **variables,
        }
        return subprocess.Popen(
            [*words(said["ENTRYPOINT"]), *(command or words(said["CMD"]))],
            executable=str(self.prefix / "bin" / words(said["ENTRYPOINT"])[0]),
            env=environment,
            cwd=self.data,
            **another_user(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def ran(self, *command: str, **variables: str) -> tuple[int, str]:
        """The exit code of a command, and what it printed."""
        process = self.start(*command, **variables)
        output, _ = process.communicate(timeout=60)
        return process.returncode, output


def cleaned(target: Path) -> Path:
    """What git knows of this directory, in another."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True
    )
    assert listed.returncode == 0, listed.stderr
    for name in listed.stdout.decode().rstrip("\0").split("\0"):
        if (ROOT / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes((ROOT / name).read_bytes())
    return target


def seen(directory: Path) -> Mapping[Path, int]:
    """Every file below a directory, with when it was written."""
    return {path: path.stat().st_mtime_ns for path in directory.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    with tempfile.TemporaryDirectory(prefix="soutu-image-") as name:
        place = Path(name)
        place.chmod(0o755)  # the image's user must come through
        prefix, data = place / "opt", place / "data"
        path = os.environ["PATH"]
        (place / "bin").mkdir()
        (place / "bin" / "python").symlink_to(Path(sys.base_prefix) / "bin" / "python3")
        os.environ["PATH"] = f"{place / 'bin'}:{path}"  # FROM python: the interpreter is called `python`
        try:
            stage = Build(FILE, cleaned(place / "context"), place, {"PREFIX": str(prefix)}).run()
        finally:
            os.environ["PATH"] = path
        data.mkdir()
        if another_user():
            os.chown(data, NOBODY, NOBODY)
        yield Image(stage, prefix, data)


def test_its_steps_are_in_the_form_that_is_run_here() -> None:
    found = list(steps(FILE.read_text("utf-8")))
    runs = [rest for keyword, rest in found if keyword == "RUN"]
    assert runs
    assert not [rest for rest in runs if " /" in rest], "a RUN step writes outside of PREFIX and WORKDIR"
    images = {rest.partition(" ")[0] for keyword, rest in found if keyword == "FROM"}
    assert images == {"python:3.11.14-slim-bookworm"}


def test_nothing_secret_or_large_is_sent_to_the_builder() -> None:
    assert wanted(ROOT, "service/soutu/cli/app.py")
    for path in ("deploy/secrets/tls_key", "build/stack", ".git/config", "tests/conftest.py", ".venv"):
        assert not wanted(ROOT, path)


@pytest.mark.slow
def test_what_it_makes_serves_on_a_root_that_it_leaves_alone(image: Image) -> None:
    assert image.stage.user == f"{NOBODY}:{NOBODY}"
    assert image.stage.said["EXPOSE"] == "50051"
    before, port = seen(image.prefix), str(free_port())
    probe = words(image.stage.said["HEALTHCHECK"])[1:]
    server = image.start(SOUTU_SERVER_PORT=port)
    try:
        assert until(lambda: image.ran(*probe, SOUTU_SERVER_PORT=port) == (0, "SERVING\n"), 60)
        with Client(f"127.0.0.1:{port}") as client:
            client.collections.create("c")
            client.images.upload("c", pictures.jpeg(1), image_id="i")
            assert [match.name for match in client.search("c", pictures.jpeg(1)).matches] == [
                "collections/c/images/i"
            ]
    finally:
        server.terminate()
        output, _ = server.communicate(timeout=60)
    assert server.returncode == 0, output
    assert image.ran(*probe, SOUTU_SERVER_PORT=port)[0] == 4
    assert seen(image.prefix) == before


@pytest.mark.slow
def test_it_has_what_the_parts_of_the_cluster_need(image: Image) -> None:
    libraries = "import aiomysql, cryptography, pymilvus, redis, tritonclient.grpc.aio"
    assert subprocess.run([image.prefix / "bin" / "python", "-c", libraries], cwd="/").returncode == 0
    assert not (image.prefix / "bin" / "pip").exists()
    repository = image.data.parent / "models"
    writer = image.prefix / "scripts" / "triton_repository.py"
    ran = subprocess.run(
        [image.prefix / "bin" / "python", writer, repository], cwd="/", capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert (repository / "gradient-color" / "config.pbtxt").exists()

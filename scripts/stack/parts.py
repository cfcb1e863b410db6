"""The parts of the stack: how each is installed, started, and asked whether it answers."""

import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scripts import triton_repository
from scripts.stack.places import (
    STACK,
    StackError,
    debian_program,
    environment,
    free_port,
    is_taken,
    kept_port,
    shared_tool,
)
from scripts.stack.triton import triton_environment, triton_program

USER = "soutu"
SECRET = "soutu-local-stack"  # noqa: S105 (it guards what only this machine reaches)
MODELS = STACK / "models"
_ETCD_PORT = 2379
_ANOTHER_ENDS_S = 20.0
_SESSION_S = 60  # Milvus ends when it was held up for that long; its own 30 are few on a busy machine


@dataclass(frozen=True, slots=True)
class Started:
    """What a part is started by. `settings` are Soutu's own, by environment variable; `answers` raises while
    the part does not answer; `ends_by` is the signal that it ends by in order."""

    command: Sequence[str]
    answers: Callable[[], object]
    settings: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)
    ends_by: int = signal.SIGTERM


def mariadb(place: Path) -> Started:
    """MariaDB: the catalogue."""
    server = debian_program("mariadbd", "mariadb-server")
    data, port, sock = place / "data", kept_port(place), place / "socket"
    if not data.exists():
        install = debian_program("mariadb-install-db", "mariadb-server")
        arguments = ["--no-defaults", f"--datadir={data}", "--skip-test-db"]
        subprocess.run(
            [install, *arguments, "--auth-root-authentication-method=normal"], check=True, capture_output=True
        )
    first = place / "first.sql"
    first.write_text(
        f"CREATE DATABASE IF NOT EXISTS {USER} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;\n"
        f"CREATE USER IF NOT EXISTS {USER}@'127.0.0.1' IDENTIFIED BY '{SECRET}';\n"
        f"GRANT ALL ON `{USER}%`.* TO {USER}@'127.0.0.1';\n"
    )
    admin = debian_program("mariadb-admin", "mariadb-client")
    ping = [admin, "--no-defaults", f"--socket={sock}", "--user=root", "ping"]
    return Started(
        command=[
            server, "--no-defaults", f"--datadir={data}", f"--port={port}", "--bind-address=127.0.0.1",
            f"--socket={sock}", f"--init-file={first}", "--user=root", "--skip-name-resolve",
            "--character-set-server=utf8mb4", "--collation-server=utf8mb4_bin",
        ],
        answers=lambda: subprocess.run(ping, check=True, capture_output=True, timeout=5),
        settings={"SOUTU_CATALOG_URL": f"mysql+aiomysql://{USER}:{SECRET}@127.0.0.1:{port}/{USER}"},
    )  # fmt: skip


def redis(place: Path) -> Started:
    """Redis: the cache, of bounded size, least used first out, nothing on disk."""
    server, client = (
        debian_program("redis-server", "redis-server"),
        debian_program("redis-cli", "redis-tools"),
    )
    port = free_port()
    ping = [client, "-p", str(port), "ping"]
    return Started(
        command=[
            server, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(place), "--save", "",
            "--appendonly", "no", "--maxmemory", "256mb", "--maxmemory-policy", "allkeys-lru",
        ],
        answers=lambda: subprocess.run(ping, check=True, capture_output=True, timeout=5),
        settings={"SOUTU_CACHE_URL": f"redis://127.0.0.1:{port}/0"},
    )  # fmt: skip


def milvus(place: Path) -> Started:
    """Milvus standalone: the vector index. Its etcd wants 127.0.0.1:2379, so there is one of it a machine. It
    has the same port each time it is started in a place."""
    if is_taken(_ETCD_PORT, patience_s=_ANOTHER_ENDS_S):
        raise StackError(f"another Milvus, or an etcd, has port {_ETCD_PORT}; end it first")
    port = kept_port(place)
    program = environment("milvus") / "bin" / "milvus-server"

    def answers() -> None:
        from pymilvus import MilvusClient

        client = MilvusClient(f"http://127.0.0.1:{port}", timeout=5)
        client.list_collections(timeout=5)
        client.close()

    return Started(
        command=[
            str(program), "--data", str(place / "data"), "--proxy-port", str(port),
            "--extra-config", f"common.session.ttl={_SESSION_S}",
        ],
        answers=answers,
        settings={"SOUTU_INDEX_URL": f"http://127.0.0.1:{port}"},
        ends_by=signal.SIGINT,  # SIGTERM makes it wait for something that does not come
    )  # fmt: skip


def triton(place: Path) -> Started:
    """Triton: inference by the Python backend, the only one that its wheel carries, of the models that ship
    and of those in build/stack/models."""
    ports = {name: free_port() for name in ("http", "grpc", "metrics")}
    repository = place / "model_repository"
    triton_repository.main([str(repository), "--backend", "python", "--models", str(MODELS)])
    program, backends = triton_program(environment("triton"), place)
    return Started(
        command=[
            str(program), "--model-repository", str(repository), "--backend-directory", str(backends),
            "--model-control-mode", "explicit",
            *(f"--{name}-port={port}" for name, port in ports.items()),
            *(f"--{name}-address=127.0.0.1" for name in ports),
        ],
        answers=lambda: _fetched(f"http://127.0.0.1:{ports['http']}/v2/health/ready"),
        settings={"SOUTU_INFERENCE_URL": f"127.0.0.1:{ports['grpc']}"},
        environment=triton_environment(environment("triton")),
    )  # fmt: skip


def s3(place: Path) -> Started:
    """An S3 server over a directory: the originals."""
    server, port, data = shared_tool("versitygw"), free_port(), place / "data"
    (data / USER).mkdir(parents=True, exist_ok=True)  # the bucket

    def answers() -> None:
        try:
            _fetched(f"http://127.0.0.1:{port}/")
        except urllib.error.HTTPError as refusal:  # of a stranger without a signature: it answers
            if refusal.code != 403:
                raise

    return Started(
        command=[server, "--port", f"127.0.0.1:{port}", "posix", str(data)],
        answers=answers,
        settings={
            "SOUTU_OBJECTS_URL": f"s3://{USER}",
            "SOUTU_OBJECTS_ENDPOINT": f"http://127.0.0.1:{port}",
            "SOUTU_OBJECTS_ACCESS_KEY": USER,
            "SOUTU_OBJECTS_SECRET_KEY": SECRET,
        },
        environment={"ROOT_ACCESS_KEY": USER, "ROOT_SECRET_KEY": SECRET},
    )


PARTS: Mapping[str, Callable[[Path], Started]] = {
    "mariadb": mariadb,
    "redis": redis,
    "s3": s3,
    "milvus": milvus,
    "triton": triton,
}


def _fetched(url: str) -> None:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 (it is one of the parts)
        answer.read()

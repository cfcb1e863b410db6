"""Which server a command talks to."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from soutu.cli.invocation import Invocation

if TYPE_CHECKING:
    from soutu.client import Client

_PROBE_S = 2.0


@dataclass(frozen=True, slots=True)
class Connection:
    """A client, and whether its server lives in this process and ends with the command."""

    client: "Client"
    inside: bool


@contextmanager
def connected(
    invocation: Invocation, source: Path | None = None, archive: Path | None = None
) -> Iterator[Connection]:
    """The server at the address that was given, else the one that serves the data directory, else the same
    server started inside this process, which may then read images from `source`, too, and keep backups and
    exports in `archive`."""
    from soutu.cli.local_server import local_server
    from soutu.client import Client

    address = invocation.address or running_server(invocation.settings().data_dir)
    if address:
        with Client(address) as client:
            yield Connection(client, inside=False)
        return
    with (
        local_server(invocation.settings(_inside(invocation, source, archive))) as private,
        Client(private) as client,
    ):
        yield Connection(client, inside=True)


def running_server(data_dir: Path) -> str | None:
    """The address of the server that holds the data directory, if it answers."""
    from soutu.client import Client, SoutuCallError

    try:
        address = str(json.loads((data_dir / "server.json").read_text("utf-8"))["address"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    with Client(address) as client:
        try:
            client.serving(_PROBE_S)
        except SoutuCallError:
            return None
    return address


def _inside(invocation: Invocation, source: Path | None, archive: Path | None = None) -> dict[str, object]:
    """What is different for a server inside a command: it may use what the command names, and keeps quiet."""
    settings = invocation.settings()
    return {
        "build_roots": [*settings.build_roots, *([source.resolve()] if source else [])],
        "backup_roots": [*settings.backup_roots, *([archive.resolve()] if archive else [])],
        "log.level": "debug" if invocation.verbose else "error",
        "server.metrics_port": 0,
    }

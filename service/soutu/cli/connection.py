"""Which server a command talks to."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from soutu.cli.invocation import Invocation

if TYPE_CHECKING:
    from soutu.client import Client
    from soutu.settings import Settings

_PROBE_S = 2.0
_STARTING_S = 5.0
_LOOK_S = 0.1


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
    from soutu.client import Client

    with ExitStack() as held:
        address, inside = invocation.address, False
        if not address:
            address, inside = _reached(held, invocation.settings(_inside(invocation, source, archive)))
        yield Connection(held.enter_context(Client(address)), inside)


def _reached(held: ExitStack, settings: "Settings") -> tuple[str, bool]:
    """A server's address, and whether it was started here, which `held` ends; waits for one that starts."""
    from soutu.cli.local_server import local_server
    from soutu.domain.errors import SoutuError

    deadline = time.monotonic() + _STARTING_S
    while True:
        if address := running_server(settings.data_dir):
            return address, False
        try:
            return held.enter_context(local_server(settings)), True
        except SoutuError as error:
            # What the lock says: another server holds the directory, and will answer soon or is just ending.
            if not isinstance(error.__cause__, BlockingIOError) or time.monotonic() > deadline:
                raise
        time.sleep(_LOOK_S)


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

"""Which server a command talks to."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from soutu.cli.failures import CommandError, ExitCode
from soutu.cli.invocation import Invocation

if TYPE_CHECKING:
    from soutu.client import Client
    from soutu.settings import ClientSettings

_PROBE_S = 2.0
_STARTING_S = 5.0
_LOOK_S = 0.1

# A socket that only this user reaches needs neither keys nor TLS.
_PRIVATE: dict[str, object] = {
    "server.host": "127.0.0.1",
    "server.tls_certificate": None,
    "server.tls_key": None,
    "server.tls_client_authorities": None,
    "access.keys_file": None,
    "access.keys": "",
}


@dataclass(frozen=True, slots=True)
class Connection:
    """A client, and whether its server lives in this process and ends with the command."""

    client: "Client"
    inside: bool


@dataclass(frozen=True, slots=True)
class _Announced:
    address: str
    tls: bool


@contextmanager
def connected(
    invocation: Invocation, source: Path | None = None, archive: Path | None = None
) -> Iterator[Connection]:
    """The server at the address that was given, else the one that serves the data directory, else the same
    server started inside this process, which may then read images from `source`, too, and keep backups and
    exports in `archive`."""
    from soutu.cli.door import client_for

    with ExitStack() as held:
        if invocation.address:
            client, inside = client_for(invocation.address, invocation.settings().client), False
        else:
            client, inside = _reached(held, invocation, _inside(invocation, source, archive))
        yield Connection(held.enter_context(client), inside)


def _reached(held: ExitStack, invocation: Invocation, inside: dict[str, object]) -> tuple["Client", bool]:
    """A client of the server, and whether that was started here, which `held` ends; waits for one that
    starts."""
    from soutu.cli.door import client_for
    from soutu.cli.local_server import local_server
    from soutu.domain.errors import SoutuError

    settings, deadline = invocation.settings(inside), time.monotonic() + _STARTING_S
    while True:
        if client := running_server(settings.data_dir, settings.client):
            return client, False
        try:
            return client_for(held.enter_context(local_server(settings))), True
        except SoutuError as error:
            # What the lock says: another server holds the directory, and will answer soon or is just ending.
            if not isinstance(error.__cause__, BlockingIOError):
                raise
            if time.monotonic() > deadline:
                raise _unheard(settings.data_dir) or error from error
        time.sleep(_LOOK_S)


def configured_server(invocation: Invocation) -> "Client":
    """A client of the server at the address that was given, else of the one that serves the data directory,
    else of the one that the settings describe. None is started, nor asked yet."""
    from soutu.cli.door import client_for

    settings = invocation.settings()
    if invocation.address:
        return client_for(invocation.address, settings.client)
    tls = settings.server.tls_certificate is not None
    told = _announced(settings.data_dir) or _Announced(f"127.0.0.1:{settings.server.port}", tls)
    return client_for(told.address, settings.client, tls=told.tls)


def running_server(data_dir: Path, settings: "ClientSettings | None" = None) -> "Client | None":
    """A client of the server that holds the data directory, if it answers, whatever it says."""
    from soutu.cli.door import client_for
    from soutu.client import SoutuCallError

    told = _announced(data_dir)
    if told is None:
        return None
    client = client_for(told.address, settings, tls=told.tls)
    try:
        client.serving(_PROBE_S)
    except SoutuCallError as error:
        if not error.reason:
            client.close()
            return None
    return client


def _announced(data_dir: Path) -> _Announced | None:
    """What the server of the data directory has left there for others."""
    try:
        told = json.loads((data_dir / "server.json").read_text("utf-8"))
        return _Announced(str(told["address"]), bool(told.get("tls")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _unheard(data_dir: Path) -> CommandError | None:
    """What to say of a server that holds the data directory and was not reached, where TLS may be why."""
    told = _announced(data_dir)
    if told is None or not told.tls:
        return None
    sentence = f"The server at {told.address} speaks TLS, and it and this command do not accept each other:"
    advice = (
        "--ca names its authority, --cert and --cert-key a certificate that it asks for, and the setting"
        " client.server_name the name in its own, where that is not its address."
    )
    return CommandError(f"{sentence} {advice}", ExitCode.UNREACHABLE)


def _inside(invocation: Invocation, source: Path | None, archive: Path | None = None) -> dict[str, object]:
    """What is different for a server inside a command: it may use what the command names, and keeps quiet."""
    settings = invocation.settings()
    return {
        "build_roots": [*settings.build_roots, *([source.resolve()] if source else [])],
        "backup_roots": [*settings.backup_roots, *([archive.resolve()] if archive else [])],
        "log.level": "debug" if invocation.verbose else "error",
        "server.metrics_port": 0,
        **_PRIVATE,
    }

"""Real servers behind a proxy that can cut, stop and slow down what goes to each of them (toxiproxy)."""

import json
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from scripts.stack.places import free_port, shared_tool
from tests.flows.served import until

_ADDRESS = re.compile(r"127\.0\.0\.1:(\d+)")
_ENDED_S = 1.0
"""How long toxiproxy has to forget the connections that it has closed."""


class Proxies:
    """One proxy for each address; `settings` are those of a service that goes through them."""

    def __init__(self, control: str, settings: Mapping[str, str]) -> None:
        self._control = control
        self.settings = {name: _ADDRESS.sub(self._through, value) for name, value in settings.items()}

    @contextmanager
    def cut(self, setting: str) -> Iterator[None]:
        """Connections to what the setting names are closed, and new ones refused."""
        self._ask("POST", f"/proxies/{self._name(setting)}", {"enabled": False})
        try:
            yield
        finally:
            self._ask("POST", f"/proxies/{self._name(setting)}", {"enabled": True})

    @contextmanager
    def still(self, setting: str) -> Iterator[None]:
        """Nothing comes back from what the setting names, though connections stay open until the end."""
        with self._toxic(setting, "timeout", {"timeout": 0}):
            yield

    @contextmanager
    def slow(self, setting: str, latency_ms: int) -> Iterator[None]:
        """What comes back from what the setting names comes later; at the end connections are closed."""
        with self._toxic(setting, "latency", {"latency": latency_ms}):
            yield

    @contextmanager
    def _toxic(self, setting: str, kind: str, attributes: Mapping[str, int]) -> Iterator[None]:
        toxics = f"/proxies/{self._name(setting)}/toxics"
        toxic = {"name": kind, "type": kind, "stream": "downstream", "attributes": attributes}
        self._ask("POST", toxics, toxic)
        try:
            yield
        finally:
            # A toxic that is taken from a connection which closes at that moment can hang toxiproxy for
            # good (its issue 558): so there are none.
            with self.cut(setting):
                time.sleep(_ENDED_S)
                self._ask("DELETE", f"{toxics}/{kind}")

    def _name(self, setting: str) -> str:
        found = _ADDRESS.search(self.settings[setting])
        assert found, f"{setting} names no server"
        return found[1]

    def _through(self, address: re.Match[str]) -> str:
        port = str(free_port())
        upstream = {"name": port, "listen": f"127.0.0.1:{port}", "upstream": address[0], "enabled": True}
        self._ask("POST", "/proxies", upstream)
        return upstream["listen"]  # type: ignore[return-value]

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> None:
        ask(self._control, method, path, body)


def ask(control: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> None:
    """One request to toxiproxy's interface; urllib.error.HTTPError where it is refused."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{control}{path}", data, method=method)  # noqa: S310 (it is our own)
    urllib.request.urlopen(request, timeout=5).close()  # noqa: S310


@contextmanager
def proxied(settings: Mapping[str, str]) -> Iterator[Proxies]:
    """Proxies for every server that Soutu's `settings` name."""
    port = free_port()
    command = [shared_tool("toxiproxy-server"), "-host", "127.0.0.1", "-port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    control = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            ask(control, "GET", "/version")
        except OSError:
            return False
        return True

    try:
        until(answers)
        yield Proxies(control, settings)
    finally:
        process.terminate()
        process.wait()

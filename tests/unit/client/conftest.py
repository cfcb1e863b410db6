"""A client of the scripted server."""

from collections.abc import Iterator

import pytest

from soutu.client import Client
from tests.unit.client.fake_server import Script, served


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def client(script: Script) -> Iterator[Client]:
    with served(script) as address, Client(address, timeout_s=5, key="secret") as client:
        yield client

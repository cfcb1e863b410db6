"""Real servers for tests: parts of the stack, each with data of its own. Those that whole sessions share are
fixtures of tests/conftest.py."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts.stack.places import StackError
from scripts.stack.running import Running, ended, launched


@contextmanager
def server(name: str, place: Path) -> Iterator[Running]:
    """The part, running. Where it cannot be installed the test is skipped, which CI does not accept."""
    try:
        running = launched(name, place)
    except StackError as error:
        pytest.skip(str(error))
    try:
        yield running
    finally:
        ended(running)


def url_of(redis: Running) -> str:
    """Where that Redis is, as cache.url says it."""
    return redis.settings["SOUTU_CACHE_URL"]

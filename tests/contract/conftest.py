"""Catalogues for the contract suite: each test runs on SQLite and on a real MariaDB."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from scripts.stack.running import Running
from soutu.adapters.catalog import SqlCatalog
from soutu.domain.collection import Collection
from soutu.ports import Catalog
from tests.contract.catalog_fixtures import DRAFT, MovableClock, url_of
from tests.contract.databases import emptied
from tests.contract.servers import server
from tests.contract.servers import url_of as redis_url
from tests.unit.models.local.made import xfeat, xfeat_matcher

__all__ = ["catalog", "catalog_url", "clock", "mariadb", "pictures", "xfeat", "xfeat_matcher"]


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a database that all tests use one after the other."""
    with server("mariadb", tmp_path_factory.mktemp("mariadb")) as running:
        yield running.settings["SOUTU_CATALOG_URL"]


@pytest.fixture(params=["sqlite", "mariadb"])
def catalog_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where there is an empty database, on each kind that there is."""
    if request.param == "sqlite":
        return url_of(tmp_path)
    url: str = request.getfixturevalue("mariadb")
    emptied(url)
    return url


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
async def catalog(catalog_url: str, clock: MovableClock) -> AsyncIterator[Catalog]:
    opened = await SqlCatalog.open(catalog_url, clock)
    yield opened
    await opened.close()


@pytest.fixture
async def pictures(catalog: Catalog) -> Collection:
    return await catalog.create_collection(DRAFT)


@pytest.fixture
async def stranger(redis: Running) -> AsyncIterator[Redis]:
    """Another client of the same Redis, which knows nothing of ours."""
    client = Redis.from_url(redis_url(redis))
    yield client
    await client.aclose()

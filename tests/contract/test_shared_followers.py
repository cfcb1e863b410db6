"""Real processes that follow one catalogue into one index: whichever of them is stopped past its lease,
killed or ended, and whenever, the index is the catalogue once writes rest."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from sqlalchemy import text

from soutu.adapters.catalog import SqlCatalog
from soutu.domain.collection import Collection
from soutu.domain.writing import OnConflict, Remove, Write
from soutu.observe.clock import SystemClock
from tests.contract.catalog_fixtures import DRAFT, put
from tests.contract.databases import connected
from tests.contract.follower_process import LEASE_S
from tests.contract.table_index import TableIndex

ROOT = Path(__file__).parents[2]
WAIT_S = 20.0
pytestmark = [pytest.mark.slow, pytest.mark.parametrize("catalog_url", ["mariadb"], indirect=True)]


class Crew:
    """Processes that follow, by the name of each."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self._url = url
        self._stack = stack
        self._members: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """One more."""
        name = f"process {len(self._members)}"
        command = [sys.executable, "-m", "tests.contract.follower_process", self._url, name]
        environment = os.environ | {"PYTHONPATH": f"{ROOT / 'service'}:{ROOT}"}
        process = subprocess.Popen(command, cwd=ROOT, env=environment)
        self._members[name] = process
        self._stack.callback(_made_to_end, process)

    async def leader(self) -> subprocess.Popen[bytes]:
        """The process that leads now, by a lease that has not run out."""
        async with asyncio.timeout(WAIT_S):
            while True:
                for owner, until in self._leads():
                    process = self._members.get(owner)
                    if process and process.poll() is None and until:
                        return process
                await asyncio.sleep(0.02)

    def signal(self, process: subprocess.Popen[bytes], number: signal.Signals) -> None:
        process.send_signal(number)

    def _leads(self) -> list[tuple[str, bool]]:
        with connected(self._url) as connection:
            rows = connection.execute(text("SELECT owner, until > UTC_TIMESTAMP(6) FROM leads"))
            return [(owner, bool(current)) for owner, current in rows]


def _made_to_end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGCONT)
        process.kill()
    process.wait()


@pytest.fixture
async def catalog(catalog_url: str) -> AsyncIterator[SqlCatalog]:
    with connected(catalog_url) as connection:
        connection.execute(text("DROP TABLE IF EXISTS points"))
    opened = await SqlCatalog.open(catalog_url, SystemClock())
    yield opened
    await opened.close()


@pytest.fixture
def crew(catalog_url: str) -> Iterator[Crew]:
    with ExitStack() as stack:
        yield Crew(catalog_url, stack)


class Writer:
    """Uploads, replaces and deletes, by lot, for as long as it is let."""

    def __init__(self, catalog: SqlCatalog, collection: Collection) -> None:
        self._catalog = catalog
        self._collection = collection
        self._chance = random.Random(1)
        self.commits = 0

    async def write(self) -> None:
        while True:
            await self._catalog.commit(self._collection.uid, [self._write() for _ in range(3)])
            self.commits += 1
            await asyncio.sleep(0.01)

    def _write(self) -> Write:
        name = f"i{self._chance.randrange(40)}"
        if self._chance.random() < 0.4:
            return Remove(name, allow_missing=True)
        return put(name, f"{name} {self._chance.randrange(4)}", on_conflict=OnConflict.REPLACE)


async def settled(catalog: SqlCatalog, url: str, collection: Collection) -> None:
    """Returns once the index is the catalogue; writes rest."""
    index = TableIndex(url, 0)
    (generation,) = await catalog.generations()
    for _ in range(round(WAIT_S / 0.05)):
        points = await index.entries(generation.uid, 0, 10_000)
        rows = await catalog.revisions(collection.uid, 0, 10_000)  # a commit may have been under way
        if rows and list(rows) == list(points):
            return
        await asyncio.sleep(0.05)
    assert list(points) == list(rows)


async def test_whatever_becomes_of_whoever_follows_the_index_becomes_the_catalogue(
    catalog: SqlCatalog, catalog_url: str, crew: Crew
) -> None:
    collection = await catalog.create_collection(DRAFT)
    writer = Writer(catalog, collection)
    crew.start()
    crew.start()
    writing = asyncio.create_task(writer.write())
    try:
        for turn in range(3):
            stopped = await crew.leader()
            crew.signal(stopped, signal.SIGSTOP)
            await asyncio.sleep(2 * LEASE_S)
            assert await crew.leader() is not stopped
            crew.signal(stopped, signal.SIGCONT)
            await asyncio.sleep(0.3)
            killed = await crew.leader()
            crew.signal(killed, (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL)[turn])
            killed.wait()
            crew.start()
        assert not writing.done()
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
    assert writer.commits > 20
    await settled(catalog, catalog_url, collection)


async def test_an_old_row_that_was_on_its_way_while_its_sender_slept_is_mended(
    catalog: SqlCatalog, catalog_url: str, crew: Crew
) -> None:
    """Each turn stops the leader just after a commit, where its write is likely to be on its way."""
    collection = await catalog.create_collection(DRAFT)
    crew.start()
    crew.start()
    for turn in range(4):
        leader = await crew.leader()
        await catalog.commit(collection.uid, [put(f"a{turn}"), put("same", on_conflict=OnConflict.REPLACE)])
        await asyncio.sleep(0.1)
        crew.signal(leader, signal.SIGSTOP)
        await catalog.commit(
            collection.uid, [Remove(f"a{turn}"), put("same", f"{turn}", on_conflict=OnConflict.REPLACE)]
        )
        await settled(catalog, catalog_url, collection)  # another has taken over
        crew.signal(leader, signal.SIGCONT)
        await asyncio.sleep(0.5)
        await settled(catalog, catalog_url, collection)

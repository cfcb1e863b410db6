"""Generations while others search and write, and while the server is killed."""

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pytest

from soutu.client import SoutuCallError, search_request
from soutu.v1.collection_pb2 import INDEX_TYPE_FLAT, Generation, Index
from soutu.v1.search_pb2 import SearchResponse
from tests.flows import pictures
from tests.flows.inside import check_at_rest
from tests.flows.ledgers import SIZE, Ledger, ids, image_id, until_killed
from tests.flows.models import SECOND, add_second_model
from tests.flows.served import Served

pytestmark = pytest.mark.slow

SEED = 20_261
STOCK = 150
KILLS = 10
BUILD_S = 120.0
FLAT = Index(type=INDEX_TYPE_FLAT)


@pytest.fixture
def ledger(lone_server: Served) -> Ledger:
    """A collection of 150 pictures on a server with a second model."""
    add_second_model(lone_server.data_dir)
    lone_server.client.collections.create("c")
    ledger = Ledger("c")
    ledger.stock(lone_server.client, STOCK)
    return ledger


@dataclass
class Traffic:
    """Searches and writes that go on until `stop`; nothing is sent twice, so nothing is covered up."""

    server: Served
    ledger: Ledger
    stop: threading.Event = field(default_factory=threading.Event)
    gone: set[int] = field(default_factory=set)
    searches: int = 0
    writes: int = 0

    def search(self, seed: int) -> None:
        """Searches without pause; what was deleted before a search began is not in its answer."""
        chance = random.Random(seed)
        while not self.stop.is_set():
            deleted = ids(set(self.gone))
            shown = self._found(chance.randrange(STOCK))
            assert shown
            assert not deleted & set(shown)
            self.searches += 1

    def write(self, seed: int) -> None:
        """Uploads and deletes; each is seen by the very next search."""
        chance = random.Random(seed)
        for number in range(1_000, 100_000):
            if self.stop.is_set():
                return
            self.ledger.upload(self.server.client, number)
            assert image_id(number) in self._found(number)
            assert self._found(number, min_revision=self.ledger.revision)[0] == image_id(number)
            victim = chance.choice(sorted(self.ledger.present))
            self.ledger.delete(self.server.client, victim)
            self.gone.add(victim)
            assert image_id(victim) not in self._found(victim)
            self.writes += 2

    def _found(self, number: int, min_revision: str = "") -> list[str]:
        """Made with the raw stub: an error is not tried again."""
        query = pictures.jpeg(number, *SIZE)
        request = search_request("c", query, page_size=20, min_revision=min_revision)
        answer: SearchResponse = self.server.stubs.search.Search(request, timeout=10)
        return [match.name.rsplit("/", 1)[1] for match in answer.matches]


@contextmanager
def flowing(traffic: Traffic) -> Iterator[None]:
    """Traffic for as long as the context lasts; any error of it is raised at the end."""
    with ThreadPoolExecutor(3) as pool:
        tasks: list[Future[None]] = [pool.submit(traffic.search, SEED + each) for each in range(2)]
        tasks.append(pool.submit(traffic.write, SEED))
        try:
            yield
        finally:
            traffic.stop.set()
    for task in tasks:
        task.result()


def test_no_search_fails_or_is_stale_through_build_publish_and_rollback(
    lone_server: Served, ledger: Ledger
) -> None:
    traffic, generations = Traffic(lone_server, ledger), lone_server.client.generations
    with flowing(traffic):
        time.sleep(0.5)
        generations.create("c", "second", model=SECOND).wait(BUILD_S)
        for _ in range(3):
            generations.publish("second", "c")
            time.sleep(0.5)
            assert generations.roll_back("c").active_generation.endswith("/g1")
            time.sleep(0.3)
        generations.create("c", "flat", index=FLAT, publish=True).wait(BUILD_S)
        generations.publish("second", "c")
        time.sleep(0.5)
    print(f"{traffic.searches} searches, {traffic.writes} writes")
    assert traffic.searches >= 50
    assert traffic.writes >= 10
    ledger.check(lone_server.client)
    lone_server.stop()
    check_at_rest(lone_server)


def test_kills_while_a_generation_is_built_leave_it_to_be_resumed(
    lone_server: Served, ledger: Ledger
) -> None:
    chance = random.Random(SEED)
    print(f"seed {SEED}")
    for kill in range(KILLS):
        client = lone_server.client
        name, model = f"k{kill}", SECOND if kill % 2 else ""
        index = Index(parameters={"m": 8 + kill})
        operation = client.generations.create("c", name, model=model, index=index, publish=kill % 3 == 0)
        ledger.upload(client, 500 + kill)
        ledger.delete(client, kill)
        time.sleep(chance.uniform(0, 0.7))
        lone_server.kill()
        lone_server.restart()
        client = lone_server.client
        assert not client.operations.wait(operation.name, BUILD_S).HasField("error")
        assert client.generations.get(name, "c").state == Generation.STATE_READY
        ledger.check(client)
        _delete_idle(lone_server)
    lone_server.stop()
    check_at_rest(lone_server)


def test_kills_while_a_generation_is_published_leave_one_or_the_other(
    lone_server: Served, ledger: Ledger
) -> None:
    chance = random.Random(SEED)
    print(f"seed {SEED}")
    lone_server.client.generations.create("c", "second", model=SECOND).wait(BUILD_S)
    for kill in range(KILLS):
        with ThreadPoolExecutor(2) as pool:
            tasks = [pool.submit(_switch, lone_server), pool.submit(_write, lone_server, ledger, 600 + kill)]
            time.sleep(chance.uniform(0, 0.15))
            lone_server.kill()
            for task in tasks:
                task.result()
        lone_server.restart()
        client = lone_server.client
        assert client.collections.get("c").active_generation.rsplit("/", 1)[1] in ("g1", "second")
        ledger.check(client)
    lone_server.stop()
    check_at_rest(lone_server)


def _switch(server: Served) -> None:
    client = server.client
    with until_killed():
        for _ in range(100):
            client.generations.publish("second", "c")
            client.generations.roll_back("c")


def _write(server: Served, ledger: Ledger, number: int) -> None:
    client = server.client
    with until_killed():
        ledger.upload(client, number)
        for victim in sorted(ledger.present)[:3]:
            ledger.delete(client, victim)


def _delete_idle(server: Served) -> None:
    """Deletes the generations that are not active."""
    for each in server.client.generations.list("c"):
        if not each.active:
            with suppress(SoutuCallError):
                server.client.generations.delete(each.name)

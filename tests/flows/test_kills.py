"""kill -9 of the server at any moment: what was acknowledged is in force, and nothing else is.

`pytest -m slow tests/flows/test_kills.py --kills 100` kills it a hundred times.
"""

import itertools
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from soutu.v1.collection_service_pb2 import BuildCollectionResponse
from tests.flows import pictures
from tests.flows.inside import check_at_rest
from tests.flows.ledgers import SIZE, Ledger, check_index, listed, until_killed
from tests.flows.models import SECOND, add_second_model
from tests.flows.served import Served

SEED = 4_711
STOCK = 20
FILES = 60
DONE_S = 60.0
_AT_REST_EVERY = 25


@dataclass
class Scene:
    """A server to kill, what it acknowledged, and where it may build from."""

    server: Served
    ledger: Ledger
    source: Path
    numbers: Iterator[int]


@pytest.fixture
def scene(lone_server: Served, tmp_path: Path) -> Scene:
    add_second_model(lone_server.data_dir)
    source = tmp_path / "pictures" / "source"
    source.mkdir()
    for number in range(FILES):
        (source / f"f{number:03}.jpg").write_bytes(pictures.jpeg(number, *SIZE))
    lone_server.client.collections.create("c")
    ledger = Ledger("c")
    ledger.stock(lone_server.client, STOCK)
    lone_server.client.generations.create("c", "second", model=SECOND).wait(DONE_S)
    return Scene(lone_server, ledger, source, itertools.count(1_000))


@pytest.mark.slow
def test_kills_lose_nothing_and_leave_nothing_half_done(scene: Scene, pytestconfig: pytest.Config) -> None:
    chance, kills = random.Random(SEED), int(pytestconfig.getoption("--kills"))
    works = itertools.cycle([during_uploads, during_deletes, during_a_build, during_a_publish])
    print(f"seed {SEED}, {kills} kills")
    for kill, work in zip(range(kills), works, strict=False):
        work(scene, chance)
        scene.ledger.check(scene.server.client)
        if kill % _AT_REST_EVERY == _AT_REST_EVERY - 1:
            scene.server.stop()
            check_at_rest(scene.server)
            scene.server.restart()
    scene.server.stop()
    check_at_rest(scene.server)


def during_uploads(scene: Scene, chance: random.Random) -> None:
    _killed(scene.server, chance.uniform(0, 0.4), [lambda: _upload(scene), lambda: _upload(scene)])


def during_deletes(scene: Scene, chance: random.Random) -> None:
    present = sorted(scene.ledger.present)
    chance.shuffle(present)
    halves = present[: len(present) // 2], present[len(present) // 2 : -5]
    _killed(
        scene.server,
        chance.uniform(0, 0.3),
        [lambda: _delete(scene, halves[0]), lambda: _delete(scene, halves[1])],
    )


def during_a_publish(scene: Scene, chance: random.Random) -> None:
    _killed(scene.server, chance.uniform(0, 0.2), [lambda: _switch(scene), lambda: _upload(scene)])
    active = scene.server.client.collections.get("c").active_generation
    assert active.rsplit("/", 1)[1] in ("g1", "second")


def during_a_build(scene: Scene, chance: random.Random) -> None:
    """The build resumes by itself and ends with every file as one image."""
    name = f"b{next(scene.numbers)}"
    scene.server.client.collections.create(name)
    operation = scene.server.client.collections.build(name, scene.source)
    _killed(scene.server, chance.uniform(0, 0.6), [])
    client = scene.server.client
    built = client.operations.handle(client.operations.get(operation.name), BuildCollectionResponse)
    done = built.wait(DONE_S)
    assert (done.added, done.unchanged, done.failed) == (FILES, 0, 0)
    paths = [image.origin.path for image in client.images.list(name)]
    assert sorted(paths) == sorted(file.name for file in scene.source.iterdir())
    check_index(client, f"collections/{name}/generations/g1", listed(client, name))
    client.collections.delete(name, force=True)


def _killed(server: Served, after_s: float, works: list[Callable[[], None]]) -> None:
    """Starts the works, kills the server after a while, and starts it again."""
    with ThreadPoolExecutor(max(len(works), 1)) as pool:
        tasks = [pool.submit(work) for work in works]
        time.sleep(after_s)
        server.kill()
        for task in tasks:
            task.result()
    server.restart()


def _upload(scene: Scene) -> None:
    client = scene.server.client
    with until_killed():
        for number in itertools.islice(scene.numbers, 30):
            scene.ledger.upload(client, number)


def _delete(scene: Scene, numbers: list[int]) -> None:
    client = scene.server.client
    with until_killed():
        for number in numbers:
            scene.ledger.delete(client, number)


def _switch(scene: Scene) -> None:
    client = scene.server.client
    with until_killed():
        for _ in range(50):
            client.generations.publish("second", "c")
            client.generations.roll_back("c")

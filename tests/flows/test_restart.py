"""Servers that are stopped, killed and started again: what was acknowledged is in force, and nothing else."""

import os
import random
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from soutu.client import Client, SoutuCallError
from soutu.v1.image_service_pb2 import (
    DeleteImageRequest,
    StreamUploadImageRequest,
    UploadImageRequest,
)
from tests.flows import pictures
from tests.flows.served import Served, Stubs, until

NAME = "collections/c"
KILLS = 8
WRITERS = 3


def found(client: Client, picture: bytes) -> dict[str, float]:
    """Every image that searches show, with its score, at the newest revision."""
    revision = client.collections.get("c").revision
    pages = client.search_pages("c", picture, page_size=100, min_revision=revision)
    matches = [match for page in pages for match in page.matches]
    assert len({match.name for match in matches}) == len(matches), "an image was shown twice"
    return {match.name.rpartition("/")[2]: match.score for match in matches}


def kept(client: Client) -> set[str]:
    return {image.name.rpartition("/")[2] for image in client.images.list("c")}


def filled(server: Served, count: int) -> Client:
    server.client.collections.create("c")
    for seed in range(count):
        server.client.images.upload("c", pictures.jpeg(seed, 64, 48), image_id=f"i{seed}")
    return server.client


@pytest.mark.slow
def test_what_was_written_is_there_after_a_clean_restart(lone_server: Served) -> None:
    client = filled(lone_server, 6)
    client.images.delete("i2", collection="c")
    before, page = kept(client), client.search("c", pictures.jpeg(1), page_size=2)
    assert lone_server.stop() == 0
    assert not (lone_server.data_dir / "server.json").exists()
    lone_server.restart()
    client = lone_server.client
    assert kept(client) == set(found(client, pictures.jpeg(1))) == before == {"i0", "i1", "i3", "i4", "i5"}
    rest = client.search("c", pictures.jpeg(1), page_token=page.next_page_token)
    assert {match.name for match in rest.matches}.isdisjoint(match.name for match in page.matches)
    assert len(rest.matches) == 3


@dataclass
class Ledger:
    """What clients know: which images must be there, which must not, and which either way."""

    written: dict[str, int] = field(default_factory=dict)  # image id -> seed of its picture
    unsure: dict[str, int] = field(default_factory=dict)  # a write was sent and not answered
    lock: threading.Lock = field(default_factory=threading.Lock)

    def pick(self, chance: random.Random) -> str | None:
        """An image that no other writer has taken for deletion."""
        with self.lock:
            settled = sorted(self.written.keys() - self.unsure.keys())
            if len(settled) < 5 or chance.random() < 0.6:
                return None
            taken = chance.choice(settled)
            self.unsure[taken] = self.written[taken]
            return taken

    def begin(self, image_id: str, seed: int) -> None:
        with self.lock:
            self.unsure[image_id] = seed

    def settle(self, image_id: str, *, there: bool) -> None:
        with self.lock:
            seed = self.unsure.pop(image_id)
            self.written.pop(image_id, None)
            if there:
                self.written[image_id] = seed

    def learn(self, there: set[str]) -> None:
        """Settles what was unsure by what is there."""
        for image_id in list(self.unsure):
            self.settle(image_id, there=image_id in there)


def write_until_cut_off(stubs: Stubs, ledger: Ledger, chance: random.Random, prefix: str) -> None:
    """Uploads and deletes until the server is gone."""
    number = 0
    try:
        while True:
            image_id = ledger.pick(chance)
            if image_id:
                stubs.images.DeleteImage(DeleteImageRequest(name=f"{NAME}/images/{image_id}"), timeout=30)
                ledger.settle(image_id, there=False)
                continue
            image_id, seed, number = f"{prefix}-{number}", chance.randrange(40), number + 1
            ledger.begin(image_id, seed)
            content = pictures.jpeg(seed, 64, 48)
            request = UploadImageRequest(parent=NAME, image_id=image_id, content=content)
            stubs.images.UploadImage(request, timeout=30)
            ledger.settle(image_id, there=True)
    except (grpc.RpcError, ValueError):  # ValueError: the channel was closed
        return


@pytest.mark.slow
def test_acknowledged_writes_survive_kills_at_any_moment(lone_server: Served) -> None:
    seed = 20_240_601
    chance, ledger = random.Random(seed), Ledger()
    lone_server.client.collections.create("c")
    for round_number in range(KILLS):
        writers = [
            threading.Thread(
                target=write_until_cut_off,
                args=(
                    lone_server.stubs,
                    ledger,
                    random.Random(chance.random()),
                    f"r{round_number}-w{writer}",
                ),
            )
            for writer in range(WRITERS)
        ]
        for writer in writers:
            writer.start()
        writers[0].join(chance.uniform(0.05, 1.2))
        lone_server.process.kill()
        for writer in writers:
            writer.join(40)
        lone_server.kill()
        lone_server.restart()
        there = kept(lone_server.client)
        assert ledger.written.keys() - ledger.unsure.keys() <= there, "an acknowledged write is lost"
        assert there <= ledger.written.keys() | ledger.unsure.keys(), "a deleted image is back"
        ledger.learn(there)
        assert_index_is_catalogue(lone_server.client, ledger, there)
    assert len(ledger.written) > KILLS


def assert_index_is_catalogue(client: Client, ledger: Ledger, there: set[str]) -> None:
    assert client.images.count("c") == len(there)
    scores = found(client, pictures.jpeg(0, 64, 48))
    assert set(scores) == there
    for image_id in sorted(there)[:3]:
        own = found(client, pictures.jpeg(ledger.written[image_id], 64, 48))
        assert own[image_id] == pytest.approx(1, abs=2e-3)


def removed(index: Path) -> None:
    shutil.rmtree(index)


def garbled(index: Path) -> None:
    chance = random.Random(5)
    for file in index.rglob("*"):
        if file.is_file() and file.stat().st_size:
            with file.open("r+b") as content:
                content.write(chance.randbytes(min(file.stat().st_size, 4_096)))


def thinned(index: Path) -> None:
    for file in sorted(index.rglob("*"))[::2]:
        if file.is_file():
            file.unlink()


@pytest.mark.slow
@pytest.mark.placed
@pytest.mark.parametrize("damage", [removed, garbled, thinned])
def test_a_damaged_index_is_made_again_and_never_answers_wrongly(
    lone_server: Served, damage: Callable[[Path], None]
) -> None:
    expected = found(filled(lone_server, 12), pictures.jpeg(3, 64, 48))
    assert lone_server.stop() == 0
    damage(lone_server.data_dir / "index")
    lone_server.restart()

    def answered() -> dict[str, float]:
        try:
            return found(lone_server.client, pictures.jpeg(3, 64, 48))
        except SoutuCallError as error:
            if error.reason not in ("INDEX_UNREADY", "REVISION_NOT_REACHED"):
                raise
            return {}

    assert until(answered) == pytest.approx(expected)
    receipt = lone_server.client.images.upload("c", pictures.jpeg(50, 64, 48), image_id="new").receipt
    best = lone_server.client.search("c", pictures.jpeg(50, 64, 48), min_revision=receipt.revision).matches[0]
    assert best.name.endswith("/new")


@pytest.mark.slow
def test_a_second_server_on_the_same_data_is_refused(lone_server: Served) -> None:
    second = lone_server.launch()
    assert second.wait(30) == 1
    assert f"Another server uses the data directory {lone_server.data_dir}" in lone_server.log()
    assert lone_server.client.serving()


@pytest.mark.slow
def test_a_killed_server_leaves_no_process_behind(lone_server: Served) -> None:
    filled(lone_server, 1)
    group = lone_server.process.pid
    lone_server.kill()

    def gone() -> bool:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        return False

    assert until(gone)


class Slow:
    """A streamed upload whose second half is sent when `go_on` is set."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __iter__(self) -> Iterator[StreamUploadImageRequest]:
        picture = pictures.jpeg(1)
        yield StreamUploadImageRequest(upload=UploadImageRequest(parent=NAME, image_id="slow"))
        yield StreamUploadImageRequest(chunk=picture[:1_000])
        self.begun.set()
        self.go_on.wait(20)
        yield StreamUploadImageRequest(chunk=picture[1_000:])


@pytest.mark.slow
def test_a_server_asked_to_end_lets_calls_under_way_finish(lone_server: Served) -> None:
    lone_server.client.collections.create("c")
    stubs, upload = lone_server.stubs, Slow()
    call = stubs.images.StreamUploadImage.future(iter(upload), timeout=30)
    watching, health = watched(stubs.channel)
    assert health.get(timeout=10) == HealthCheckResponse.SERVING
    assert upload.begun.wait(10)
    lone_server.process.terminate()
    assert health.get(timeout=10) == HealthCheckResponse.NOT_SERVING
    upload.go_on.set()
    assert call.result().image.name == f"{NAME}/images/slow"
    watching.cancel()  # type: ignore[no-untyped-call]  # grpc-stubs leave it so
    assert lone_server.process.wait(15) == 0
    lone_server.restart()
    assert kept(lone_server.client) == {"slow"}


def watched(channel: grpc.Channel) -> tuple[grpc.Call, "Queue[int]"]:
    """The call that watches the server's health, and what it tells."""
    told: Queue[int] = Queue()
    call = HealthStub(channel).Watch(HealthCheckRequest())

    def listen() -> None:
        try:
            for answer in call:
                told.put(answer.status)
        except grpc.RpcError:
            return

    threading.Thread(target=listen, daemon=True).start()
    return call, told

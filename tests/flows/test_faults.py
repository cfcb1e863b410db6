"""Disks, clocks and neighbours that misbehave: a clear answer, nothing lost, searches go on where they can,
and all is well again by itself when the cause is gone."""

import asyncio
import os
import resource
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import psutil  # type: ignore[import-untyped]
import pytest

from bench.stored import COLLECTION, commit_vectors
from soutu.client import Client
from soutu.domain.model import ModelRef
from soutu.v1.image_service_pb2 import DeleteImageRequest, UploadImageRequest
from soutu.v1.search_pb2 import QueryPart, SearchRequest
from tests.flows import pictures
from tests.flows.inside import check_at_rest
from tests.flows.ledgers import check_index
from tests.flows.moved_clock import ClockedServer
from tests.flows.refusals import Refusal, refusal_of, refusal_or_none
from tests.flows.served import Served, Stubs, until

MIB = 2**20
NAME = f"collections/{COLLECTION}"
STOCK = 8
DAY_S = 86_400.0
_DISK_MIB = 256


def filled(server: Served) -> Client:
    """The client of a server that has a collection "c" of images i0, i1 ..."""
    server.client.collections.create("c")
    for number in range(STOCK):
        server.client.images.upload("c", pictures.jpeg(number), image_id=f"i{number}")
    return server.client


def upload(stubs: Stubs, image_id: str, picture: bytes) -> Callable[[], object]:
    """One upload without any retries."""
    request = UploadImageRequest(parent="collections/c", content=picture, image_id=image_id)
    return lambda: stubs.images.UploadImage(request, timeout=30)


def search(stubs: Stubs, seed: int) -> list[str]:
    """The ids of what is found with a picture that nobody has looked for yet."""
    part = QueryPart(image=pictures.jpeg(seed))
    answer = stubs.search.Search(
        SearchRequest(collection="collections/c", parts=[part], page_size=100), timeout=30
    )
    return [match.name.rsplit("/", 1)[1] for match in answer.matches]


def resumes(server: Served, image_id: str, seed: int) -> None:
    """Uploads are taken again, by the same process."""

    def taken() -> bool:
        return refusal_or_none(upload(server.stubs, image_id, pictures.jpeg(seed))) is None

    assert until(taken, 30)


def check(server: Served, expected: set[str]) -> None:
    """The server has these images and no others, before and after a restart, in catalogue and index."""
    for _ in range(2):
        assert {image.name.rsplit("/", 1)[1] for image in server.client.images.list("c")} == expected
        check_index(server.client, "collections/c/generations/g1", expected)
        server.stop()
        check_at_rest(server)
        server.restart()


def stored(extra: str = "") -> set[str]:
    return {f"i{number}" for number in range(STOCK)} | ({extra} if extra else set())


@contextmanager
def limited(server: Served, kind: int, value: int) -> Iterator[None]:
    """A limit on the running server, which is lifted again."""
    pid = server.process.pid
    _, hard = before = resource.prlimit(pid, kind)
    resource.prlimit(pid, kind, (value, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, kind, before)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, which a test may fill."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_MIB}m", "none", str(place)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk can be mounted by root only")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@contextmanager
def ballast(disk: Path) -> Iterator[None]:
    """Leaves no room on the disk."""
    file = disk / "ballast"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT)
    try:
        for size in (MIB, 4_096, 1):
            with suppress(OSError):  # no space is left
                while os.write(descriptor, bytes(size)):
                    pass
        yield
    finally:
        os.close(descriptor)
        file.unlink()


@pytest.mark.slow
@pytest.mark.placed
def test_a_full_disk_stops_writes_until_there_is_room(small_disk: Path, tmp_path: Path) -> None:
    server = Served(small_disk)
    server.log_file = tmp_path / "server.log"
    with server:
        filled(server)
        with ballast(small_disk):
            refusals = [refusal_of(upload(server.stubs, f"n{n}", pictures.jpeg(50 + n))) for n in range(3)]
            delete = DeleteImageRequest(name="collections/c/images/i0")
            refusals.append(refusal_of(lambda: server.stubs.images.DeleteImage(delete)))
            assert {each.reason for each in refusals} <= {"CATALOG_UNAVAILABLE", "OBJECTS_UNAVAILABLE"}
            assert "make room" in refusals[0].message
            assert set(search(server.stubs, 60)) == stored()
        resumes(server, "after", 61)
        check(server, stored("after"))


@pytest.mark.slow
@pytest.mark.placed
def test_a_catalogue_that_cannot_grow_stops_writes_until_it_can(lone_server: Served) -> None:
    filled(lone_server)
    with limited(lone_server, resource.RLIMIT_FSIZE, 64 * 1024):  # its log, too, which is nobody's business
        refusal = refusal_of(upload(lone_server.stubs, "new", pictures.jpeg(50)))
        assert (refusal.status, refusal.reason) == ("UNAVAILABLE", "CATALOG_UNAVAILABLE")
        assert "disk of the catalogue" in refusal.message
        assert set(search(lone_server.stubs, 60)) == stored()
    resumes(lone_server, "after", 61)
    check(lone_server, stored("after"))


@pytest.mark.slow
@pytest.mark.placed
def test_originals_that_cannot_be_stored_are_not_taken(lone_server: Served) -> None:
    filled(lone_server)
    large = pictures.jpeg(50) + bytes(8 * MIB)
    with limited(lone_server, resource.RLIMIT_FSIZE, 4 * MIB):
        refusal = refusal_of(upload(lone_server.stubs, "large", large))
        assert (refusal.status, refusal.reason) == ("UNAVAILABLE", "OBJECTS_UNAVAILABLE")
        assert set(search(lone_server.stubs, 60)) == stored()
    assert refusal_or_none(upload(lone_server.stubs, "large", large)) is None
    check(lone_server, stored("large"))


@pytest.mark.slow
@pytest.mark.placed
def test_a_store_of_originals_that_is_gone_comes_back(lone_server: Served) -> None:
    filled(lone_server)
    objects, away = lone_server.data_dir / "objects", lone_server.data_dir / "away"
    objects.rename(away)
    objects.write_bytes(b"in the way")
    refusal = refusal_of(upload(lone_server.stubs, "new", pictures.jpeg(50)))
    assert (refusal.status, refusal.reason) == ("UNAVAILABLE", "OBJECTS_UNAVAILABLE")
    assert set(search(lone_server.stubs, 60)) == stored()
    objects.unlink()
    away.rename(objects)
    resumes(lone_server, "after", 61)
    check(lone_server, stored("after"))


@pytest.mark.slow
@pytest.mark.placed
def test_a_locked_catalogue_is_waited_for_and_then_said(lone_server: Served) -> None:
    filled(lone_server)
    other = sqlite3.connect(lone_server.data_dir / "catalog.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    refusal = refusal_of(upload(lone_server.stubs, "new", pictures.jpeg(50)))
    assert (refusal.status, refusal.reason) == ("UNAVAILABLE", "CATALOG_UNAVAILABLE")
    assert "locked by another program" in refusal.message
    assert set(search(lone_server.stubs, 60)) == stored()
    with ThreadPoolExecutor(1) as pool:  # a short lock is not noticed
        waiting = pool.submit(upload(lone_server.stubs, "waited", pictures.jpeg(51)))
        time.sleep(1)
        other.execute("ROLLBACK")
        assert waiting.result()
    other.close()
    check(lone_server, stored("waited"))


@pytest.mark.slow
def test_a_read_only_data_directory_is_refused_at_the_start(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with read_only(data):
        server = Served(tmp_path)
        process = server.launch()
        assert process.wait(30) == 1
        assert f"The data directory {data} cannot be written" in server.log()  # DATA_DIRECTORY_UNUSABLE
    with server:
        filled(server)


@contextmanager
def read_only(directory: Path) -> Iterator[None]:
    """Root may write whatever a directory's mode says, so for root it is mounted anew."""
    if os.geteuid():
        directory.chmod(0o500)
        yield
        directory.chmod(0o700)
        return
    place = str(directory)
    if subprocess.run(["mount", "--bind", place, place], capture_output=True, check=False).returncode:
        pytest.skip("a small disk can be mounted by root only")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", place], check=True)
        yield
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.slow
def test_a_server_without_file_descriptors_answers_and_recovers(lone_server: Served) -> None:
    filled(lone_server)
    search(lone_server.stubs, 59)
    used = max(int(each.name) for each in Path(f"/proc/{lone_server.process.pid}/fd").iterdir()) + 1
    with limited(lone_server, resource.RLIMIT_NOFILE, used):
        holes = used - len(list(Path(f"/proc/{lone_server.process.pid}/fd").iterdir()))
        refusals: list[Refusal] = []
        with ThreadPoolExecutor(4 + holes) as pool:
            calls = [
                pool.submit(refusal_or_none, upload(lone_server.stubs, f"n{n}", pictures.jpeg(70 + n)))
                for n in range(4 + holes)
            ]
            refusals = [refusal for call in calls if (refusal := call.result())]
        assert {each.status for each in refusals} <= {"UNAVAILABLE"}
        assert set(search(lone_server.stubs, 60)) >= stored()
    resumes(lone_server, "after", 61)
    present = {image.name.rsplit("/", 1)[1] for image in lone_server.client.images.list("c")}
    assert len(present) == STOCK + 1 + 4 + holes - len(refusals)
    check(lone_server, present)


@pytest.mark.slow
def test_a_decoder_killed_under_way_costs_its_picture_alone(lone_server: Served) -> None:
    filled(lone_server)
    server = psutil.Process(lone_server.process.pid)
    decoders = [each for each in server.children() if "soutu.imaging" in " ".join(each.cmdline())]
    assert decoders
    for each in decoders:
        each.suspend()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(refusal_of, upload(lone_server.stubs, "hostile", pictures.jpeg(50)))
        time.sleep(0.5)
        for each in decoders:
            each.kill()
        refusal = call.result()
    assert (refusal.status, refusal.reason) == ("INVALID_ARGUMENT", "IMAGE_HOSTILE")
    resumes(lone_server, "after", 61)
    check(lone_server, stored("after"))


@pytest.mark.slow
def test_a_decoder_that_is_kept_from_computing_is_no_fault_of_its_picture(tmp_path: Path) -> None:
    with Served(tmp_path, settings={"SOUTU_DECODE_SECONDS": "0.5"}) as server:
        filled(server)
        children = psutil.Process(server.process.pid).children()
        for each in children:
            each.suspend()
        refusal = refusal_of(upload(server.stubs, "slow", pictures.jpeg(50)))
        assert (refusal.status, refusal.reason) == ("UNAVAILABLE", "DECODER_UNAVAILABLE")
        for each in children:
            if each.is_running():
                each.resume()
        resumes(server, "after", 50)  # the same picture
        check(server, stored("after"))


@pytest.mark.slow
@pytest.mark.placed
def test_an_optimiser_that_is_killed_is_started_again(tmp_path: Path) -> None:
    """With more points than are scanned, the index wants its graph from the start on."""
    (tmp_path / "data").mkdir()
    vectors = np.random.default_rng(1).standard_normal((5_200, 595)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    asyncio.run(commit_vectors(tmp_path / "data", ModelRef("gradient-color", "1"), vectors))
    with Served(tmp_path, settings={"SOUTU_INDEX_OPTIMIZE_AFTER": "5"}) as server:
        process, killed = psutil.Process(server.process.pid), set[int]()

        def kill_one() -> bool:
            found = [child.pid for child in process.children() if is_optimiser(child)]
            for pid in set(found) - killed:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
            return bool(found)

        assert until(kill_one)
        names = [f"n{number}" for number in range(60)]
        for number, name in enumerate(names):
            request = UploadImageRequest(parent=NAME, content=pictures.jpeg(number, 64, 48), image_id=name)
            server.stubs.images.UploadImage(request, timeout=30)
            part = QueryPart(stored_image=f"{NAME}/images/{name}")
            asked = SearchRequest(collection=NAME, parts=[part], page_size=100)
            assert until(lambda asked=asked: server.stubs.search.Search(asked, timeout=30).matches)  # type: ignore[misc]
            if len(killed) < 3:
                kill_one()
        assert len(killed) >= 2
        assert "the index was not optimised" in server.log_file.read_text()
        server.stop()
        check_at_rest(server)


def is_optimiser(process: psutil.Process) -> bool:
    try:
        return "soutu.adapters.vectors.edge_optimise" in process.cmdline()
    except psutil.Error:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [-DAY_S, DAY_S], ids=["back", "on"])
def test_a_clock_that_is_moved_loses_nothing(tmp_path: Path, seconds: float) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(120):
        (source / f"f{number:03}.jpg").write_bytes(pictures.jpeg(200 + number, 64, 48))
    sweeping = {"SOUTU_OBJECTS_SWEEP_INTERVAL_S": "0.3", "SOUTU_OBJECTS_SWEEP_GRACE_S": "3600"}
    with ClockedServer(tmp_path, [source], sweeping) as server:
        client = filled(server)
        build = client.collections.build("c", source)
        server.move(seconds)
        done = build.wait(60)
        assert (done.added, done.failed) == (120, 0)
        assert refusal_or_none(upload(server.stubs, "after", pictures.jpeg(61))) is None
        server.move(0)
        client.images.delete("i0", collection="c")
        time.sleep(1)  # some sweeps
        ids = {image.name.rsplit("/", 1)[1] for image in client.images.list("c")}
        assert len(ids) == STOCK + 120
        for name in ("i1", "after"):
            assert server.client.images.get(name, collection="c").content.size_bytes > 0
        check(server, ids)

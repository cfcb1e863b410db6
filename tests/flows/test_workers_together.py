"""Several processes on one port, catalogue, index and objects: to clients they are one service."""

import itertools
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import grpc
import psutil  # type: ignore[import-untyped]
import pytest

from soutu.client import Client, SoutuCallError
from soutu.v1.admin_service_pb2 import PurgeImagesRequest
from soutu.v1.admin_service_pb2_grpc import AdminServiceStub
from soutu.v1.attribute_pb2 import ATTRIBUTE_TYPE_NUMBER, Attribute
from soutu.v1.collection_pb2 import INDEX_TYPE_FLAT, INDEX_TYPE_UNSPECIFIED, Index
from soutu.v1.image_service_pb2 import ON_CONFLICT_REPLACE, DeleteImageRequest
from soutu.v1.image_service_pb2_grpc import ImageServiceStub
from soutu.v1.search_pb2 import SearchRequest
from soutu.v1.search_pb2_grpc import SearchServiceStub
from tests.flows import pictures
from tests.flows.elsewhere import Places
from tests.flows.inside import check_at_rest, kept_indexes
from tests.flows.ledgers import Ledger, ids, image_id, listed
from tests.flows.ledgers import found as all_found
from tests.flows.refusals import NEVER
from tests.flows.served import Served, until

pytestmark = [pytest.mark.slow, pytest.mark.placed]
WORKERS = 2
WRITERS = 3
LAPSED_S = 12.0  # longer than a lease
REST_S = 120.0
TAKEN_UP_S = 15.0 + 15.0  # a lease of an operation and until the next look; and for a slow machine
PICTURES = 300


class ServedTogether(Served):
    """`soutu serve --profile cluster --workers 2`."""

    def program(self) -> Sequence[str]:
        return *super().program(), "--profile", "cluster", "--workers", str(WORKERS)

    def workers(self) -> list[psutil.Process]:
        """The processes that serve, in the order of their start."""
        children = psutil.Process(self.process.pid).children()
        return [each for each in children if _serves(each)]


def _serves(process: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.Error:  # it has died, and nobody has looked yet
        return False


@pytest.fixture(scope="module")
def together(whole_stack: Places, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedTogether]:
    place = tmp_path_factory.mktemp("together")
    (place / "pictures").mkdir()
    settings = {
        **whole_stack.of(place),
        "SOUTU_DECODE_WORKERS": "1",
        "SOUTU_INDEX_INDEXED_WAIT_S": "20",
    }
    with ServedTogether(place / "service", [place / "pictures"], settings) as served:
        yield served


def connections(address: str, count: int) -> list[grpc.Channel]:
    """Connections that the kernel spreads over the processes, by lot."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    return [grpc.insecure_channel(address, options) for _ in range(count)]


def found(channel: grpc.Channel, image: str, **fields: Any) -> list[str]:
    query = SearchRequest(collection="collections/c", **fields)
    query.parts.add().stored_image = f"collections/c/images/{image}"
    answer = SearchServiceStub(channel).Search(query, timeout=60)
    return [match.image.name.rpartition("/")[2] for match in answer.matches]


def test_what_one_has_done_all_show(together: ServedTogether) -> None:
    client = together.client
    client.collections.create("c")
    for number in range(6):
        client.images.upload("c", pictures.jpeg(number), image_id=f"i{number}")
    assert len(together.workers()) == WORKERS
    channels = connections(together.address, 8)
    for channel in channels:
        assert until(partial(_shows, channel, 6), 60)
    for number, channel in enumerate(channels[:4]):
        ImageServiceStub(channel).DeleteImage(
            DeleteImageRequest(name=f"collections/c/images/i{number}"), timeout=60
        )
        for other in channels:
            assert f"i{number}" not in found(other, "i5", include_query_images=True)
    for channel in channels:
        channel.close()


def _shows(channel: grpc.Channel, count: int) -> bool:
    try:
        return len(found(channel, "i5", include_query_images=True)) == count
    except grpc.RpcError:
        return False


def test_what_was_uploaded_is_found_by_its_revision_everywhere(together: ServedTogether) -> None:
    channels = connections(together.address, 6)
    for number in range(10, 16):
        receipt = together.client.images.upload("c", pictures.jpeg(number), image_id=f"n{number}")
        for channel in channels:
            revision = receipt.receipt.revision
            names = found(channel, f"n{number}", min_revision=revision, include_query_images=True)
            assert names[0] == f"n{number}"


def test_a_worker_that_dies_is_replaced_and_another_follows(together: ServedTogether) -> None:
    for turn in range(WORKERS):
        before = together.workers()
        os.kill(before[turn].pid, signal.SIGKILL)
        assert until(partial(_renewed, together, before), 60)
        assert until(partial(_uploaded, together, f"late{turn}", 30 + turn), 60)
    for channel in connections(together.address, 4):
        assert until(partial(_finds, channel, "late1"), 60)


def test_a_worker_that_stood_still_is_caught_up_with(together: ServedTogether) -> None:
    for turn, worker in enumerate(together.workers()):
        worker.suspend()
        time.sleep(LAPSED_S)
        worker.resume()
        assert until(partial(_uploaded, together, f"after{turn}", 40 + turn), 60)
        for channel in connections(together.address, 4):
            assert until(partial(_finds, channel, f"after{turn}"), 60)


def _renewed(together: ServedTogether, before: Sequence[psutil.Process]) -> bool:
    workers = together.workers()
    return len(workers) == WORKERS and workers != before


def _uploaded(together: ServedTogether, name: str, number: int) -> bool:
    """Whether the image is in, and in the index."""
    options = {"image_id": name, "on_conflict": ON_CONFLICT_REPLACE}
    try:
        answer = together.client.images.upload("c", pictures.jpeg(number), **options)  # type: ignore[arg-type]
    except SoutuCallError:  # a connection to whoever died
        return False
    return answer.receipt.indexed


def _finds(channel: grpc.Channel, name: str) -> bool:
    try:
        return name in found(channel, "late0")
    except grpc.RpcError:
        return False


def test_a_build_goes_on_whichever_process_dies(together: ServedTogether) -> None:
    """Nobody waits for the process that had it longer than its lease lasts."""
    source = together.data_dir.parents[1] / "pictures" / "many"
    source.mkdir()
    for number in range(PICTURES):
        (source / f"{number}.jpg").write_bytes(pictures.jpeg(number, 96, 72))
    client = together.client
    client.collections.create("grown")
    name = client.collections.build("grown", source).name
    assert until(partial(_counted, client, 1), REST_S)
    for turn in range(WORKERS):
        killed(together, turn)
        until(partial(_goes_on, client, name, _counted(client, 0)), TAKEN_UP_S)
    client.operations.wait(name, REST_S)
    assert {image.origin.path for image in client.images.list("grown")} == {
        f"{number}.jpg" for number in range(PICTURES)
    }
    assert until(partial(_at_rest, together), REST_S)


def _counted(client: Client, least: int) -> int:
    """How many images there are, if so many; 0 else, and while nobody says."""
    try:
        count = client.images.count("grown")
    except SoutuCallError:
        return 0
    return count if count >= least else 0


def _goes_on(client: Client, operation: str, count: int) -> bool:
    """Whether there are more images than so many, or the build has ended."""
    try:
        return _counted(client, count + 1) > count or client.operations.get(operation).done
    except SoutuCallError:
        return False


def test_writes_that_go_on_while_workers_die_and_stand_still_are_all_kept(together: ServedTogether) -> None:
    together.client.collections.create("busy")
    ledgers, over = [Ledger("busy") for _ in range(WRITERS)], threading.Event()
    with ThreadPoolExecutor(WRITERS) as pool:
        writers = [
            pool.submit(written, together.address, ledger, 10_000 * number, over)
            for number, ledger in enumerate(ledgers)
        ]
        for turn in range(WORKERS):
            stood_still(together, turn)
            killed(together, turn)
        over.set()
        outcomes = Counter(itertools.chain(*(writer.result() for writer in writers)))
    assert not outcomes.keys() & {*NEVER}
    print(f"written: {sum(map(len, (each.present for each in ledgers)))}, broken off: {dict(outcomes)}")
    unsure = ids(set().union(*(each.unsure for each in ledgers)))
    present = ids(set().union(*(each.present for each in ledgers)))
    assert len(present) > WRITERS * WORKERS
    assert until(partial(_at_rest, together), REST_S)
    client = together.client
    assert listed(client, "busy") - unsure == present - unsure
    assert set(all_found(client, "busy", 1)) == listed(client, "busy")


def written(address: str, ledger: Ledger, first: int, over: threading.Event) -> list[str]:
    """Uploads, and now and then deletes, until it is over; what calls that broke off were answered with."""
    broken: list[str] = []
    with Client(address, timeout_s=20) as client:
        for number in itertools.count(first):
            if over.is_set():
                return broken
            try:
                ledger.upload(client, number)
                if number % 3 == 2 and number - 1 in ledger.present:
                    ledger.delete(client, number - 1)
            except SoutuCallError as error:
                broken.append(error.reason or error.status)
    raise AssertionError("there is no end of numbers")


def stood_still(together: ServedTogether, turn: int) -> None:
    """Stops one process for longer than its lease."""
    worker = together.workers()[turn]
    worker.suspend()
    time.sleep(LAPSED_S)
    worker.resume()


def killed(together: ServedTogether, turn: int) -> None:
    """Kills one process, and waits until another one has taken its place."""
    before = together.workers()
    os.kill(before[turn].pid, signal.SIGKILL)
    assert until(partial(_renewed, together, before), 60)


def _at_rest(together: ServedTogether) -> bool:
    """Whether index and catalogue hold the same, though nobody has stopped."""
    try:
        check_at_rest(together)
    except AssertionError:
        return False
    return True


def test_a_generation_is_published_while_every_process_writes(together: ServedTogether) -> None:
    client = together.client
    client.collections.create("moving")
    ledgers, over = [Ledger("moving") for _ in range(WRITERS)], threading.Event()
    with ThreadPoolExecutor(WRITERS) as pool:
        writers = [
            pool.submit(written, together.address, ledger, 10_000 * number, over)
            for number, ledger in enumerate(ledgers)
        ]
        try:
            client.generations.create("moving", "flat", index=Index(type=INDEX_TYPE_FLAT)).wait(REST_S)
            active = [client.generations.publish("flat", "moving").index.type]
            active.append(client.generations.roll_back("moving").index.type)
        finally:
            over.set()
        assert not [broken for writer in writers for broken in writer.result()]
    assert active == [INDEX_TYPE_FLAT, INDEX_TYPE_UNSPECIFIED]
    assert until(partial(_at_rest, together), REST_S)
    assert listed(client, "moving") == ids(set().union(*(each.present for each in ledgers)))


def test_what_was_altered_through_one_all_search_by_at_once(together: ServedTogether) -> None:
    client, channels = together.client, connections(together.address, 6)
    for turn in range(2):
        client.collections.create("again")
        client.images.upload("again", pictures.jpeg(700 + turn), image_id=f"turn{turn}")
        for channel in channels:  # each process remembers the collection from here on
            assert until(partial(_finds_only, channel, f"turn{turn}"), 60)
        client.collections.update("again", attributes={"year": Attribute(type=ATTRIBUTE_TYPE_NUMBER)})
        for channel in channels:
            assert searched(channel, filter="attributes.year > 1900") == []
        client.collections.delete("again", force=True)
        for channel in channels:
            with pytest.raises(grpc.RpcError) as refused:
                searched(channel)
            assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    for channel in channels:
        channel.close()


def searched(channel: grpc.Channel, **fields: Any) -> list[str]:
    query = SearchRequest(collection="collections/again", **fields)
    query.parts.add().image = pictures.jpeg(700)
    answer = SearchServiceStub(channel).Search(query, timeout=60)
    return [match.image.name.rpartition("/")[2] for match in answer.matches]


def _finds_only(channel: grpc.Channel, name: str) -> bool:
    try:
        return searched(channel) == [name]
    except grpc.RpcError:
        return False


def test_purges_through_several_processes_at_once_all_succeed(together: ServedTogether) -> None:
    client = together.client
    client.collections.create("purged")
    for number in range(12):
        client.images.upload("purged", pictures.jpeg(500 + number), image_id=image_id(number))
    channels = connections(together.address, 4)
    requests = [
        PurgeImagesRequest(
            parent="collections/purged",
            names=[f"collections/purged/images/{image_id(number)}" for number in (turn, turn + 4)],
        )
        for turn in range(4)
    ]
    with ThreadPoolExecutor(4) as pool:
        begun = [
            pool.submit(AdminServiceStub(channel).PurgeImages, request, timeout=60)
            for channel, request in zip(channels, requests, strict=True)
        ]
    for each in begun:
        operation = client.operations.wait(each.result().name, REST_S)
        assert not operation.HasField("error"), operation.error
    assert listed(client, "purged") == ids(range(8, 12))
    for channel in channels:
        assert until(partial(_finds_all, channel, ids(range(9, 12))), 60)
        channel.close()
    generations = [
        each.uid
        for collection in client.collections.list()
        for each in client.generations.list(collection.name)
    ]
    assert until(lambda: kept_indexes(together) == set(generations), 60)
    assert until(partial(_at_rest, together), REST_S)


def _finds_all(channel: grpc.Channel, images: set[str]) -> bool:
    query = SearchRequest(collection="collections/purged")
    query.parts.add().stored_image = f"collections/purged/images/{image_id(8)}"
    try:
        answer = SearchServiceStub(channel).Search(query, timeout=60)
    except grpc.RpcError:
        return False
    return {match.image.name.rpartition("/")[2] for match in answer.matches} == images

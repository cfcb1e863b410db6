"""Several processes on one port, catalogue, index and objects: to clients they are one service."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import grpc
import psutil  # type: ignore[import-untyped]
import pytest

from scripts.stack.running import Running
from soutu.client import SoutuCallError
from soutu.v1.image_service_pb2 import ON_CONFLICT_REPLACE, DeleteImageRequest
from soutu.v1.image_service_pb2_grpc import ImageServiceStub
from soutu.v1.search_pb2 import SearchRequest
from soutu.v1.search_pb2_grpc import SearchServiceStub
from tests.contract.servers import server
from tests.flows import pictures
from tests.flows.served import Served, until

if TYPE_CHECKING:
    from tests.contract.milvus import TestedMilvus

pytestmark = [pytest.mark.slow, pytest.mark.placed]
WORKERS = 2


class ServedTogether(Served):
    """`soutu serve --workers 2`."""

    def program(self) -> Sequence[str]:
        return *super().program(), "--workers", str(WORKERS)

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
def together(
    tmp_path_factory: pytest.TempPathFactory, milvus: "TestedMilvus", s3: Running
) -> Iterator[ServedTogether]:
    place = tmp_path_factory.mktemp("together")
    with server("mariadb", place / "mariadb") as mariadb:
        settings = {
            **mariadb.settings,
            **s3.settings,
            **milvus.settings,
            "SOUTU_OBJECTS_URL": f"{s3.settings['SOUTU_OBJECTS_URL']}/together",
            "SOUTU_DECODE_WORKERS": "1",
            "SOUTU_INDEX_INDEXED_WAIT_S": "20",
        }
        with ServedTogether(place / "service", settings=settings) as served:
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
        time.sleep(12)  # longer than its lease
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

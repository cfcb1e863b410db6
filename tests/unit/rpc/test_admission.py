"""Which queue a method waits in, and room for requests."""

import pytest

from soutu.domain.errors import Reason, SoutuError
from soutu.observe.busyness import Busyness
from soutu.observe.metrics import Metrics
from soutu.rpc.admission import QUEUES, Admission, AdmissionLimits, Queue, Room
from tests.flows.methods import METHODS, path_of

ONE = AdmissionLimits(1, 0, 1, 0, 1, 0, 1, 1024)


def reason(error: BaseException) -> Reason:
    assert isinstance(error, SoutuError)
    return error.reason


def test_every_method_has_its_queue() -> None:
    assert {path_of(method) for method in METHODS} == QUEUES.keys()


async def test_kinds_of_work_do_not_wait_for_each_other() -> None:
    admission = Admission(ONE, Metrics())
    async with (
        admission.query(1, None),
        admission.query(0, None),
        admission.call("/soutu.v1.ImageService/UploadImage", None),
        admission.call("/google.longrunning.Operations/WaitOperation", None),
        admission.call("/grpc.health.v1.Health/Check", None),
    ):
        for full in (
            admission.query(2, None),
            admission.query(0, None),
            admission.call("/soutu.v1.ImageService/GetImage", None),
            admission.write(None),
            admission.call("/grpc.health.v1.Health/Watch", None),
        ):
            with pytest.raises(SoutuError) as caught:
                await full.__aenter__()
            assert reason(caught.value) is Reason.QUEUE_FULL
        async with admission.call("/grpc.health.v1.Health/Check", None):
            assert QUEUES["/grpc.health.v1.Health/Check"] is None


async def test_the_metrics_show_the_queues() -> None:
    metrics = Metrics()
    admission = Admission(ONE, metrics)
    labels = {"queue": Queue.QUERIES.value}
    async with admission.query(1, None):
        assert metrics.registry.get_sample_value("soutu_queue_running", labels) == 1
        with pytest.raises(SoutuError):
            await admission.query(1, None).__aenter__()
    assert metrics.registry.get_sample_value("soutu_queue_running", labels) == 0
    assert metrics.registry.get_sample_value("soutu_queue_length", labels) == 0
    assert metrics.registry.get_sample_value("soutu_queue_refused_total", labels | {"why": "full"}) == 1


def test_room_is_given_back_and_a_message_alone_always_has_some() -> None:
    room = Room(100)
    with room.hold() as hold:
        hold.add(1_000)
        with room.hold() as other, pytest.raises(SoutuError) as caught:
            other.add(1)
        assert reason(caught.value) is Reason.QUEUE_FULL
        assert (room.held_bytes, room.refused) == (1_000, 1)
    with room.hold() as hold, room.hold() as other:
        hold.add(60)
        other.add(40)
        with pytest.raises(SoutuError):
            other.add(1)
        assert room.held_bytes == 100
    assert room.held_bytes == 0


class Loop:
    """An event loop that is as busy as the test says."""

    def __init__(self) -> None:
        self.now_s = self.rested_s = 0.0
        self.busyness = Busyness(lambda: self.rested_s, lambda: self.now_s)

    def goes_on(self, busy: float) -> None:
        self.now_s += 1
        self.rested_s += 1 - busy


SEARCH = "/soutu.v1.SearchService/Search"


@pytest.mark.parametrize(("of_ten", "most"), [(10, 300), (8, 1_000)])
async def test_looking_at_calls_is_given_up_where_nearly_all_are_for_the_model(
    of_ten: int, most: int
) -> None:
    """The loop has time, and of ten calls so many turn out to be pictures."""
    admission, looked_at = Admission(ONE, Metrics(), Loop().busyness), 0

    async def turn() -> None:
        async with admission.query(1, None):
            pass

    for number in range(500):
        assert not admission.refuses_unread(SEARCH), "there is a turn for it"
        if number % 10 < of_ten:
            await turn()
    async with admission.query(1, None):
        with pytest.raises(SoutuError):
            await turn()
        for number in range(1_000):
            if not admission.refuses_unread(SEARCH):
                looked_at += 1
                if number % 10 < of_ten:
                    with pytest.raises(SoutuError):
                        await turn()
    assert 0 < looked_at <= most
    assert of_ten == 10 or looked_at == 1_000


async def test_calls_are_refused_unread_where_their_queue_is_overrun_and_the_loop_is_busy() -> None:
    loop, metrics = Loop(), Metrics()
    admission = Admission(ONE, metrics, loop.busyness)
    search, upload = "/soutu.v1.SearchService/Search", "/soutu.v1.ImageService/StreamUploadImage"
    loop.goes_on(busy=0.95)
    assert not admission.refuses_unread(search), "nothing was refused yet"
    async with admission.query(1, None):
        with pytest.raises(SoutuError):
            await admission.query(1, None).__aenter__()
        assert admission.refuses_unread(search)
        for other in (
            upload,
            "/soutu.v1.ImageService/GetImage",
            "/grpc.health.v1.Health/Check",
            "/google.longrunning.Operations/WaitOperation",
        ):
            assert not admission.refuses_unread(other)
        loop.goes_on(busy=0.5)
        assert not admission.refuses_unread(search), "there is time to look at it"
        loop.goes_on(busy=1.0)
    assert not admission.refuses_unread(search), "there is a turn for it"
    labels = {"queue": Queue.QUERIES.value, "why": "unread"}
    assert metrics.registry.get_sample_value("soutu_queue_refused_total", labels) == 1
    async with admission.write(None):
        with pytest.raises(SoutuError):
            await admission.write(None).__aenter__()
        assert admission.refuses_unread(upload)

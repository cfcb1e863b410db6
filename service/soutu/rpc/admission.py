"""How much is done at a time, and how much may wait: a queue for each kind of work, room for requests."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from random import random

from soutu.domain.access import Scope
from soutu.domain.errors import Reason, SoutuError
from soutu.observe.busyness import Busyness
from soutu.observe.deadlines import awaited
from soutu.observe.metrics import Metrics
from soutu.rpc.scopes import HEALTH, REFLECTION, SCOPES
from soutu.rpc.turns import Turns


class Queue(StrEnum):
    """A kind of work. `QUERIES` are those for which a model is run, and weigh as many as their pictures;
    `WAITS` are calls that mostly wait for something to happen."""

    QUERIES = "queries"
    READS = "reads"
    WRITES = "writes"
    WAITS = "waits"


# None: what the call weighs is known only when it is read, so it takes its turn in its servicer.
_OTHERWISE: dict[str, Queue | None] = {
    "/soutu.v1.SearchService/Search": None,
    "/soutu.v1.SearchService/BatchSearch": None,
    "/soutu.v1.SearchService/Compare": None,
    "/soutu.v1.SearchService/Embed": None,
    "/soutu.v1.ImageService/StreamUploadImage": None,
    "/google.longrunning.Operations/WaitOperation": Queue.WAITS,
    f"/{HEALTH}/Check": None,  # a probe must not be told that the server is busy
    f"/{HEALTH}/Watch": Queue.WAITS,
    f"/{REFLECTION}/ServerReflectionInfo": Queue.WAITS,
}
# Where such calls may find themselves.
_ONCE_READ = {
    "soutu.v1.SearchService": (Queue.QUERIES, Queue.READS),
    "soutu.v1.ImageService": (Queue.WRITES,),
}
# The share of its time that the event loop may be busy and still look at each call.
_TOO_BUSY = 0.8
# Where this share of the calls that were looked at are for a model, and its queue is overrun, one in ten is.
_IN_VAIN = 0.9
_LOOKED_AT = 10
_LATEST_LOOK = 0.02  # the weight of the latest call in that share
_BY_SCOPE = {Scope.READ: Queue.READS, Scope.WRITE: Queue.WRITES, Scope.ADMIN: Queue.WRITES}
QUEUES: dict[str, Queue | None] = {
    method: _OTHERWISE[method] if method in _OTHERWISE else _BY_SCOPE[scope]
    for method, scope in SCOPES.items()
}


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    """How many of each kind are at work at a time, and how many more may wait. `queries` counts pictures."""

    queries: int
    queries_waiting: int
    reads: int
    reads_waiting: int
    writes: int
    writes_waiting: int
    waits: int
    request_bytes: int


def _queues(method: str) -> tuple[Queue, ...]:
    """Those that a call of `method` may come to wait in, but for waits, which take no work."""
    queue = QUEUES.get(method, Queue.READS)
    if queue is not None:
        return () if queue is Queue.WAITS else (queue,)
    return _ONCE_READ.get(method[1:].partition("/")[0], ())


class Room:
    """Room for the requests of calls under way."""

    def __init__(self, limit_bytes: int) -> None:
        self.held_bytes = 0
        self.refused = 0
        self._limit_bytes = limit_bytes

    @contextmanager
    def hold(self) -> Iterator["Hold"]:
        """What one call holds, from its beginning to its end."""
        hold = Hold(self)
        try:
            yield hold
        finally:
            self.held_bytes -= hold.size_bytes

    def take(self, size_bytes: int) -> None:
        """QUEUE_FULL where there is no room; a message that comes alone always has room."""
        if self.held_bytes and self.held_bytes + size_bytes > self._limit_bytes:
            self.refused += 1
            raise SoutuError(Reason.QUEUE_FULL, "The requests under way are too large together; retry later.")
        self.held_bytes += size_bytes


class Hold:
    """What one call holds of the room."""

    def __init__(self, room: Room) -> None:
        self.size_bytes = 0
        self._room = room

    def add(self, size_bytes: int) -> None:
        """Another message of so many bytes; QUEUE_FULL."""
        self._room.take(size_bytes)
        self.size_bytes += size_bytes


class Admission:
    """Lets calls in as they can be done, and refuses the others with QUEUE_FULL before they cost anything."""

    def __init__(self, limits: AdmissionLimits, metrics: Metrics, busyness: Busyness | None = None) -> None:
        """`busyness` is that of the loop that all calls go through; None where nobody looks at it."""
        lengths = {
            Queue.QUERIES: (limits.queries, limits.queries_waiting),
            Queue.READS: (limits.reads, limits.reads_waiting),
            Queue.WRITES: (limits.writes, limits.writes_waiting),
            Queue.WAITS: (limits.waits, 0),
        }
        self.room = Room(limits.request_bytes)
        self._busyness = busyness or Busyness(None)
        self._for_models = 0.0  # the share of calls that were for a model's queue, of those looked at lately
        self._turns = {
            queue: Turns(*length, partial(metrics.waited, queue.value)) for queue, length in lengths.items()
        }
        metrics.watch_queues({queue.value: turns for queue, turns in self._turns.items()}, self.room)

    def refuses_unread(self, method: str) -> bool:
        """Whether a call of `method` is to be refused before its request is read; counted if so. That is
        where its queue is overrun, and either the event loop has no time for looking at every call, so that
        some would wait unseen until it is too late for all; or looking is in vain, since nearly all calls
        turn out to be for that queue."""
        queues = _queues(method)
        overrun = next((each for each in queues if self._turns[each].overrun), None)
        if overrun is None or (self._busyness.share() < _TOO_BUSY and not self._in_vain(overrun)):
            if Queue.QUERIES in queues:
                self._for_models *= 1 - _LATEST_LOOK
            return False
        self._turns[overrun].refused["unread"] += 1
        return True

    def _in_vain(self, overrun: Queue) -> bool:
        if overrun is not Queue.QUERIES or self._for_models < _IN_VAIN:
            return False
        return random() >= 1 / _LOOKED_AT  # noqa: S311  # by lot: callers who take turns must not meet a rhythm

    def call(self, method: str, left_s: float | None) -> AbstractAsyncContextManager[None]:
        """Around the work of a call of `method`, which has so much time left; QUEUE_FULL."""
        queue = QUEUES.get(method, Queue.READS)
        return self._turns[queue].turn(left_s) if queue else nullcontext()

    @asynccontextmanager
    async def query(self, pictures: int, left_s: float | None) -> AsyncIterator[None]:
        """Around a query for which so many pictures are run through a model, which has so much time left;
        QUEUE_FULL. Where there are none, it is a read."""
        turn = (
            self._turns[Queue.QUERIES].turn(left_s, pictures)
            if pictures
            else self._turns[Queue.READS].turn(left_s)
        )
        if pictures:
            self._for_models = min(1.0, self._for_models + _LATEST_LOOK)
        with awaited(left_s):
            async with turn:
                yield

    def write(self, left_s: float | None) -> AbstractAsyncContextManager[None]:
        """Around a write whose request has been gathered; QUEUE_FULL."""
        return self._turns[Queue.WRITES].turn(left_s)

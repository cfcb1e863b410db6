"""Searches by picture while others send pictures that mean harm: their latencies, alone and beside them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Event
from threading import Thread

import grpc

from bench.load import SEARCH, Load, Outcome, driven
from bench.models import bundled_folder, card_of
from bench.pictures import query_pictures
from bench.report import Row, Table
from bench.scale import Scale
from bench.search_image import request
from bench.server import first_answer, serving
from bench.stored import COLLECTION, picture_store
from soutu.client import search_request
from soutu.client.channel import MESSAGE_BYTES
from tests.unit.imaging.bombs import BOMBS

TITLE = "Searches beside hostile pictures"
CALLERS = 4
CONNECTIONS = 2
_WARM_UP = 16
_SLOW = "50 megapixels"  # in the names of those that are slow, not wrong
_ROUNDS = 40  # of each bomb there are so many different ones, so that none is refused by its hash alone


def run(scale: Scale) -> list[Table]:
    """Beside every bomb of the tests in turn, and beside those alone that take a decoder seconds."""
    data, pictures = picture_store(bundled_folder(), scale.images), query_pictures(scale.queries)
    slow = [drawn() for name, (drawn, _, _) in BOMBS.items() if _SLOW in name]
    quick = [drawn() for name, (drawn, _, _) in BOMBS.items() if _SLOW not in name]
    with serving(data) as server:
        first_answer(server.address, search_request(COLLECTION, pictures[-1]))
        alone = driven(load(server.address, pictures[0::3]))
        with bombarded(server.address, quick) as refusals:
            beside_quick = driven(load(server.address, pictures[1::3]))
        with bombarded(server.address, slow) as slow_refusals:
            beside_slow = driven(load(server.address, pictures[2::3]))
    rows = [
        *outcome_rows("alone", alone),
        *outcome_rows("beside bombs that are refused", beside_quick, alone),
        *refusal_rows(refusals),
        *outcome_rows("beside bombs that are slow", beside_slow, alone),
        *refusal_rows(slow_refusals),
    ]
    subject = f"{card_of(bundled_folder()).ref}, {scale.images:,} pictures stored"
    return [Table(f"{subject}, {CALLERS} callers, bombs over {CONNECTIONS} connections", rows)]


def load(address: str, pictures: Sequence[bytes]) -> Load:
    requests = [request(picture) for picture in pictures]
    return Load(address, requests, len(requests) - _WARM_UP, CALLERS, warm_up=_WARM_UP)


def outcome_rows(name: str, outcome: Outcome, alone: Outcome | None = None) -> Iterator[Row]:
    """With `alone` each latency's remark says how many times that of the searches alone it is."""
    yield Row(f"searches {name}", outcome.throughput, "searches/s")
    for percent in (50, 99):
        latency_ms = outcome.latency_ms(percent)
        remark = f"{latency_ms / alone.latency_ms(percent):.2f} times alone" if alone else ""
        yield Row(f"searches {name}, p{percent}", latency_ms, "ms", remark=remark)
    yield Row(f"searches {name} that failed", len(outcome.errors), "calls", "0")


def refusal_rows(refusals: "Counter[str]") -> Iterator[Row]:
    for status, calls in sorted(refusals.items()):
        yield Row(f"bombs answered {status}", calls, "calls")


@contextmanager
def bombarded(address: str, bombs: Sequence[bytes]) -> Iterator["Counter[str]"]:
    """While the context lasts a process of its own sends the bombs, each connection one after another. What
    they were answered is there once it has ended."""
    context = get_context("spawn")
    stop, told = context.Event(), context.SimpleQueue()
    process = context.Process(target=bombard, args=(address, bombs, stop, told))
    process.start()
    told.get()  # it has begun
    answered: Counter[str] = Counter()
    try:
        yield answered
    finally:
        stop.set()
        answered.update(told.get())
        process.join()


def bombard(address: str, bombs: Sequence[bytes], stop: Event, told: "SimpleQueue[Counter[str]]") -> None:
    answered: Counter[str] = Counter()
    threads = [
        Thread(target=send, args=(address, bombs[number:] or bombs, stop, answered))
        for number in range(CONNECTIONS)
    ]
    for thread in threads:
        thread.start()
    told.put(Counter())
    for thread in threads:
        thread.join()
    told.put(answered)


def send(address: str, bombs: Sequence[bytes], stop: Event, answered: "Counter[str]") -> None:
    """A closed loop over one connection; a few bytes more behind each bomb make it a file of its own."""
    options = [("grpc.max_send_message_length", MESSAGE_BYTES), ("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(address, options) as channel:
        search = channel.unary_unary(SEARCH, bytes, bytes)
        for number in count():
            if stop.is_set():
                return
            tail = (number // len(bombs) % _ROUNDS).to_bytes(4, "big")
            try:
                search(request(bombs[number % len(bombs)] + tail), timeout=60)
                answered["OK"] += 1
            except grpc.RpcError as error:
                answered[error.code().name] += 1

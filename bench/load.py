"""A load generator in a process of its own: a closed loop, each caller asking again once it is answered."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle
from multiprocessing import get_context

import grpc
import grpc.aio
import numpy as np

from soutu.client.channel import MESSAGE_BYTES

SEARCH = "/soutu.v1.SearchService/Search"
TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Load:
    """What to ask of whom: `calls` calls by `concurrency` callers, over as many connections as `channels`.

    `requests` are serialised messages; they are taken in turn, after `warm_up` further calls with the last of
    them, which do not count. Answers are kept as bytes: reading them would take time from the server.
    """

    address: str
    requests: Sequence[bytes] = field(repr=False)
    calls: int
    concurrency: int
    method: str = SEARCH
    channels: int = 4
    warm_up: int = 8


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it. `latencies_s` are those of the answered calls; `replies` their answers, in order of
    answering; `errors` the status codes of the others."""

    seconds: float
    latencies_s: tuple[float, ...] = field(repr=False)
    replies: tuple[bytes, ...] = field(repr=False)
    errors: tuple[str, ...]

    @property
    def throughput(self) -> float:
        """Answers a second."""
        return len(self.latencies_s) / self.seconds

    def latency_ms(self, percent: float) -> float:
        """The latency that so many per cent of the calls kept to."""
        return 1e3 * float(np.percentile(self.latencies_s, percent))


@dataclass(slots=True)
class Tally:
    """An outcome in the making."""

    latencies_s: list[float] = field(default_factory=list)
    replies: list[bytes] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def driven(load: Load) -> Outcome:
    """Drives the load from a fresh process; RuntimeError if not a single call was answered."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        outcome = process.submit(drive, load).result()
    if not outcome.latencies_s:
        raise RuntimeError(f"no call was answered: {', '.join(sorted(set(outcome.errors)))}")
    return outcome


def drive(load: Load) -> Outcome:
    return asyncio.run(calling(load))


async def calling(load: Load) -> Outcome:
    options = [
        ("grpc.max_receive_message_length", MESSAGE_BYTES),
        ("grpc.use_local_subchannel_pool", 1),  # else equal channels share one connection
    ]
    channels = [grpc.aio.insecure_channel(load.address, options) for _ in range(load.channels)]
    try:
        methods = [channel.unary_unary(load.method) for channel in channels]
        await asyncio.gather(*(method(load.requests[-1], timeout=TIMEOUT_S) for method in methods))
        await closed_loop(load, methods, load.requests[-1:], load.warm_up)
        started = time.perf_counter()
        tally = await closed_loop(load, methods, load.requests, load.calls)
        seconds = time.perf_counter() - started
    finally:
        await asyncio.gather(*(channel.close() for channel in channels))
    return Outcome(seconds, tuple(tally.latencies_s), tuple(tally.replies), tuple(tally.errors))


async def closed_loop(
    load: Load,
    methods: Sequence["grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]"],
    requests: Sequence[bytes],
    calls: int,
) -> Tally:
    """All callers share the queue of requests, and end together when it is empty."""
    tally = Tally()
    queue = zip(range(calls), cycle(requests), strict=False)

    async def caller(method: "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]") -> None:
        for _, request in queue:
            started = time.perf_counter()
            try:
                reply = await method(request, timeout=TIMEOUT_S)
            except grpc.aio.AioRpcError as error:
                tally.errors.append(error.code().name)
            else:
                tally.latencies_s.append(time.perf_counter() - started)
                tally.replies.append(reply)

    await asyncio.gather(*(caller(methods[turn % len(methods)]) for turn in range(load.concurrency)))
    return tally

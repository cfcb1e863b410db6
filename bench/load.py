"""A load generator in a process of its own: a closed loop, each caller asking again once it is answered."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
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

    `requests` are serialised messages, taken in turn. The last `warm_up` of them are sent first and do not
    count, so that with that many more requests than calls none is asked twice. Answers are kept as bytes:
    reading them would take time from the server.
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
    answering; `errors` the status codes of the others; `cpu_s` what the load itself computed."""

    seconds: float
    latencies_s: tuple[float, ...] = field(repr=False)
    replies: tuple[bytes, ...] = field(repr=False)
    errors: tuple[str, ...]
    cpu_s: float = 0.0

    @property
    def throughput(self) -> float:
        """Answers a second."""
        return len(self.latencies_s) / self.seconds

    @property
    def mean_ms(self) -> float:
        """The mean latency."""
        return 1e3 * float(np.mean(self.latencies_s))

    def latency_ms(self, percent: float) -> float:
        """The latency that so many per cent of the calls kept to."""
        return 1e3 * float(np.percentile(self.latencies_s, percent))


@dataclass(slots=True)
class Tally:
    """An outcome in the making."""

    latencies_s: list[float] = field(default_factory=list)
    replies: list[bytes] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def driven(load: Load, processes: int = 1) -> Outcome:
    """Drives the load from fresh processes, which share its calls and callers.

    One process is enough for some hundred calls a second. RuntimeError if not a single call was answered.
    """
    share = replace(load, calls=load.calls // processes, concurrency=load.concurrency // processes)
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        outcome = together(list(pool.map(drive, processes * [share])))
    if not outcome.latencies_s:
        raise RuntimeError(f"no call was answered: {', '.join(sorted(set(outcome.errors)))}")
    return outcome


def together(outcomes: Sequence[Outcome]) -> Outcome:
    """What processes side by side did; their throughputs add up."""
    latencies_s = tuple(latency for each in outcomes for latency in each.latencies_s)
    replies = tuple(reply for each in outcomes for reply in each.replies)
    errors = tuple(error for each in outcomes for error in each.errors)
    throughput = sum(each.throughput for each in outcomes)
    seconds, cpu_s = len(latencies_s) / (throughput or 1.0), sum(each.cpu_s for each in outcomes)
    return Outcome(seconds, latencies_s, replies, errors, cpu_s)


def drive(load: Load) -> Outcome:
    return asyncio.run(calling(load))


async def calling(load: Load) -> Outcome:
    options = [
        ("grpc.max_receive_message_length", MESSAGE_BYTES),
        ("grpc.use_local_subchannel_pool", 1),  # else equal channels share one connection
    ]
    channels = [grpc.aio.insecure_channel(load.address, options) for _ in range(load.channels)]
    try:
        methods = [channel.unary_unary(load.method, bytes, bytes) for channel in channels]
        await asyncio.gather(*(method(load.requests[-1], timeout=TIMEOUT_S) for method in methods))
        await closed_loop(load, methods, load.requests[-load.warm_up :], load.warm_up)
        started, computed = time.perf_counter(), time.process_time()
        tally = await closed_loop(load, methods, load.requests, load.calls)
        seconds, cpu_s = time.perf_counter() - started, time.process_time() - computed
    finally:
        await asyncio.gather(*(channel.close(None) for channel in channels))
    return Outcome(seconds, tuple(tally.latencies_s), tuple(tally.replies), tuple(tally.errors), cpu_s)


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

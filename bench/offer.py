"""An open loop: calls come at a rate, whatever becomes of those before them, and each has a deadline."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import cycle
from multiprocessing import get_context

import grpc
import grpc.aio
import numpy as np

from bench.load import SEARCH


@dataclass(frozen=True, slots=True)
class Offer:
    """`rate` calls a second for `seconds`, over as many connections as `channels`, none of them made twice.

    `requests` are serialised messages, taken in turn.
    """

    address: str
    requests: Sequence[bytes] = field(repr=False)
    rate: float
    seconds: float
    timeout_s: float = 2.0
    channels: int = 32
    method: str = SEARCH


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of an offer: latencies of the calls that were answered within their deadline, the others by
    status or reason, and for how long the calls were made."""

    seconds: float
    offered: int
    latencies_s: tuple[float, ...] = field(repr=False)
    refusals: "Counter[str]"
    refusal_latencies_s: tuple[float, ...] = field(repr=False)

    @property
    def goodput(self) -> float:
        """Answers within the deadline, a second."""
        return len(self.latencies_s) / self.seconds

    @property
    def rate(self) -> float:
        """Calls that were really made, a second."""
        return self.offered / self.seconds

    def latency_ms(self, percent: float) -> float:
        """The latency that so many per cent of the answered calls kept to."""
        return 1e3 * float(np.percentile(self.latencies_s, percent))


def offered(offer: Offer, processes: int = 2) -> Taken:
    """Makes the offer from fresh processes, which share it."""
    share = replace(offer, rate=offer.rate / processes, channels=max(1, offer.channels // processes))
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        parts = list(pool.map(drive, processes * [share]))
    return Taken(
        max(part.seconds for part in parts),
        sum(part.offered for part in parts),
        tuple(latency for part in parts for latency in part.latencies_s),
        sum((part.refusals for part in parts), Counter()),
        tuple(latency for part in parts for latency in part.refusal_latencies_s),
    )


def drive(offer: Offer) -> Taken:
    return asyncio.run(calling(offer))


async def calling(offer: Offer) -> Taken:
    options = [("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(offer.address, options) for _ in range(offer.channels)]
    try:
        await asyncio.gather(*(channel.channel_ready() for channel in channels))
        return await open_loop(offer, [channel.unary_unary(offer.method) for channel in channels])
    finally:
        await asyncio.gather(*(channel.close(None) for channel in channels))


async def open_loop(
    offer: Offer, methods: Sequence["grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]"]
) -> Taken:
    """Each call is made when its time has come; where this process is late, all that are due at once."""
    answered: list[float] = []
    refused: list[float] = []
    refusals: Counter[str] = Counter()

    async def call(method: "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]", request: bytes) -> None:
        began_s = time.perf_counter()
        try:
            await method(request, timeout=offer.timeout_s)
        except grpc.aio.AioRpcError as error:
            refusals[refusal(error)] += 1
            refused.append(time.perf_counter() - began_s)
        else:
            answered.append(time.perf_counter() - began_s)

    calls = zip(cycle(methods), cycle(offer.requests), strict=False)
    began_s, made = time.perf_counter(), set[asyncio.Task[None]]()
    count = round(offer.rate * offer.seconds)
    for number in range(count):
        await asyncio.sleep(max(0.0, began_s + number / offer.rate - time.perf_counter()))
        made.add(asyncio.create_task(call(*next(calls))))
    seconds = max(time.perf_counter() - began_s, offer.seconds)
    await asyncio.gather(*made)
    return Taken(seconds, count, tuple(answered), refusals, tuple(refused))


def refusal(error: grpc.aio.AioRpcError) -> str:
    """The reason where it is the queue's, else the status."""
    trailers = dict(error.trailing_metadata() or ())
    details = trailers.get("grpc-status-details-bin", b"")
    return "QUEUE_FULL" if b"QUEUE_FULL" in bytes(details) else error.code().name

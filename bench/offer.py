"""Load by ghz, which leaves more of the cores to the server than a generator in Python: closed loops, and an
open one, in which calls come at a rate, whatever becomes of those before them, and each has a deadline."""

import json
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from tests.load.measuring import ghz

ROOT = Path(__file__).parent.parent
LONGEST_S = 600
CHANNELS = 32
_FIXED = {
    "proto": "protos/soutu/v1/search.proto",
    "import-paths": ["protos"],
    "call": "soutu.v1.SearchService.Search",
    "insecure": True,
    "format": "json",
    "disable-template-functions": True,
    "disable-template-data": True,
}


@dataclass(frozen=True, slots=True)
class Target:
    """A server, and the file of the searches to ask it for, in turn."""

    address: str
    searches: Path


@dataclass(frozen=True, slots=True)
class Offer:
    """`rate` calls a second for `seconds`, over `channels` connections; none is made twice."""

    rate: float
    seconds: float
    timeout_s: float = 2.0
    channels: int = CHANNELS


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of an offer: latencies of the calls that were answered within their deadline, the others by
    what they were told, and for how long the calls were made. `within` were answered while calls were made:
    the queue is empty when they begin, so answers out of it after their end would be too many."""

    seconds: float
    offered: int
    within: int
    latencies_s: tuple[float, ...] = field(repr=False)
    refusals: "Counter[str]"
    refusal_latencies_s: tuple[float, ...] = field(repr=False)

    @property
    def goodput(self) -> float:
        """Answers within the deadline, a second, while calls were made."""
        return self.within / self.seconds

    @property
    def rate(self) -> float:
        """Calls that were really made, a second."""
        return self.offered / self.seconds

    def latency_ms(self, percent: float) -> float:
        """The latency that so many per cent of the answered calls kept to."""
        return 1e3 * float(np.percentile(self.latencies_s, percent)) if self.latencies_s else float("nan")


@contextmanager
def written(searches: Sequence[bytes]) -> Iterator[Path]:
    """A file of serialised searches, each behind its length, as ghz reads them."""
    with tempfile.NamedTemporaryFile(suffix=".bin") as file:
        for search in searches:
            file.write(_varint(len(search)) + search)
        file.flush()
        yield Path(file.name)


def closed(target: Target, calls: int, callers: int, channels: int = CHANNELS) -> float:
    """Answers a second to so many callers, each asking again once it is answered; AssertionError where a call
    fails."""
    options = {
        "total": calls,
        "concurrency": callers,
        "connections": min(callers, channels),
        "timeout": "60s",
    }
    report = _run(target, options)
    answers = report["statusCodeDistribution"]
    assert answers.keys() == {"OK"}, f"calls failed: {answers}"
    return float(answers["OK"] / (report["total"] / 1e9))


def offered(target: Target, offer: Offer) -> Taken:
    """Makes the offer, and waits for what becomes of its last call."""
    options = {
        "async": True,
        "rps": round(offer.rate),
        "duration": f"{offer.seconds:g}s",
        "duration-stop": "wait",
        "concurrency": offer.channels,
        "connections": offer.channels,
        "timeout": f"{offer.timeout_s:g}s",
    }
    calls = _run(target, options)["details"]
    refused = [call for call in calls if call["status"] != "OK"]
    return Taken(
        offer.seconds,
        len(calls),
        answered_within(calls, offer.seconds),
        tuple(call["latency"] / 1e9 for call in calls if call["status"] == "OK"),
        Counter(f"{call['status']}: {call['error'].partition(' desc = ')[2]}" for call in refused),
        tuple(call["latency"] / 1e9 for call in refused),
    )


def answered_within(calls: Sequence[Mapping[str, Any]], seconds: float) -> int:
    """How many were answered within so many seconds of the first call."""
    began_s = [datetime.fromisoformat(call["timestamp"]).timestamp() for call in calls]
    end_s = min(began_s, default=0.0) + seconds
    ended_s = (began + call["latency"] / 1e9 for began, call in zip(began_s, calls, strict=True))
    return sum(call["status"] == "OK" and ended <= end_s for call, ended in zip(calls, ended_s, strict=True))


def _run(target: Target, options: Mapping[str, object]) -> Mapping[str, Any]:
    """ghz's report; RuntimeError with its last words where it fails."""
    given = {**_FIXED, **options, "host": target.address, "binary-file": str(target.searches)}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as config:
        json.dump(given, config)
        config.flush()
        command = [ghz(), "--config", config.name]
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LONGEST_S)
    if ran.returncode:
        raise RuntimeError(f"ghz failed: {(ran.stderr or ran.stdout).strip()[-1_000:]}")
    report: Mapping[str, Any] = json.loads(ran.stdout)
    return report


def _varint(number: int) -> bytes:
    """As protobuf writes lengths."""
    written = bytearray()
    while number > 127:
        written.append(number & 127 | 128)
        number >>= 7
    return bytes([*written, number])

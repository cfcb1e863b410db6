"""Everything at once for half an hour: does it go on without an error, and without taking more memory?"""

import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench.mapped import Mapped, mapped
from bench.models import bundled_folder, card_of
from bench.pictures import PICTURES, query_pictures, stored_pictures
from bench.report import Row, Table
from bench.scale import Scale
from bench.server import RunningServer, serving
from bench.stack_parts import PATIENT, stack
from bench.stored import COLLECTION, DATA
from soutu.client import Client, SoutuCallError

TITLE = "Soak: everything at once"
WORKERS = 4
STOCK = 400
PICTURES_ASKED = 300
BUILT = 200
BUILD_EVERY_S = 60.0
LOOK_S = 5.0
WARM_MINUTES = 5.0
GROWTH_MIB = 50


@dataclass
class Minute:
    """What happened within one minute: latencies of calls, errors, and the memory looked at."""

    latencies_s: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    memory_mib: list[float] = field(default_factory=list)
    whole_mib: list[float] = field(default_factory=list)
    mapped: Mapped = field(default_factory=Mapped)
    builds: int = 0

    def row(self, number: int) -> Row:
        """Its line in the table."""
        p50, p99 = 1e3 * np.percentile(self.latencies_s or [0.0], (50, 99))
        calls = f"{len(self.latencies_s):,} calls, {self.builds} builds, {len(self.errors)} errors"
        files = f"{self.whole - self.memory:.0f} MiB of files; of the data directory {self.mapped}"
        return Row(
            f"minute {number}",
            self.memory,
            "MiB",
            remark=f"{files}, {calls}, p50 {p50:.0f} ms, p99 {p99:.0f} ms",
        )

    @property
    def memory(self) -> float:
        """The mean of its looks."""
        return float(np.mean(self.memory_mib or [0.0]))

    @property
    def whole(self) -> float:
        """With what is mapped from files."""
        return float(np.mean(self.whole_mib or [0.0]))


class Diary:
    """Minutes since the beginning; safe to write from any thread."""

    def __init__(self, minutes: float) -> None:
        self.over = threading.Event()
        self.minutes: list[Minute] = [Minute()]
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._end = self._began + 60 * minutes

    def now(self) -> Minute:
        """The present minute; ends it all when the time is up."""
        with self._lock:
            passed_s = time.monotonic() - self._began
            while len(self.minutes) <= passed_s // 60:
                self.minutes.append(Minute())
                print(" ".join(self.minutes[-2].row(len(self.minutes) - 1).cells()), flush=True)
            if time.monotonic() > self._end:
                self.over.set()
            return self.minutes[-1]


class Visitor:
    """One caller of many kinds: searches, writes, reads, in random order."""

    def __init__(self, client: Client, pictures: Sequence[bytes], dimension: int, number: int) -> None:
        self._client = client
        self._pictures = pictures
        self._dimension = dimension
        self._chance = random.Random(number)  # noqa: S311
        self._mine = [f"v{number}-{each}" for each in range(STOCK // WORKERS)]
        self._works: dict[Callable[[], object], int] = {
            self._search_bytes: 35,
            self._search_stored: 20,
            self._search_vector: 15,
            self._replace: 12,
            self._update: 8,
            self._list: 4,
            self._get: 4,
            self._download: 2,
        }

    def stock(self) -> None:
        """Uploads what this one will replace and delete."""
        for name in self._mine:
            self._upload(name)

    def visit(self, diary: Diary) -> None:
        """Calls until it is over."""
        works, weights = list(self._works), list(self._works.values())
        while not diary.over.is_set():
            (work,) = self._chance.choices(works, weights)
            started = time.perf_counter()
            try:
                work()
            except (SoutuCallError, AssertionError) as error:
                diary.now().errors.append(f"{work.__name__}: {error or 'an answer that cannot be'}")
            else:
                diary.now().latencies_s.append(time.perf_counter() - started)

    def _picture(self) -> bytes:
        """One of the pictures, with an end that makes its bytes new."""
        return self._chance.choice(self._pictures) + self._chance.randbytes(8)

    def _upload(self, name: str) -> None:
        title = f"Title {self._chance.random()}"
        self._client.images.upload(COLLECTION, self._picture(), image_id=name, title=title)

    def _search_bytes(self) -> None:
        assert self._client.search(COLLECTION, self._picture()).matches

    def _search_stored(self) -> None:
        assert self._client.search(COLLECTION, self._chance.choice(self._mine)).matches

    def _search_vector(self) -> None:
        values = [self._chance.gauss(0, 1) for _ in range(self._dimension)]
        assert self._client.search(COLLECTION, np.array(values)).matches

    def _replace(self) -> None:
        name = self._chance.choice(self._mine)
        self._client.images.delete(name, collection=COLLECTION)
        self._upload(name)

    def _update(self) -> None:
        name = f"collections/{COLLECTION}/images/{self._chance.choice(self._mine)}"
        self._client.images.update(name, title=f"Title {self._chance.random()}", tags=["soaked"])

    def _list(self) -> None:
        names: Iterator[object] = self._client.images.list(COLLECTION)
        assert sum(1 for _, _ in zip(range(200), names, strict=False)) == 200

    def _get(self) -> None:
        assert self._client.images.get(self._chance.choice(self._mine), collection=COLLECTION).title

    def _download(self) -> None:
        with Path("/dev/null").open("wb") as nowhere:
            self._client.images.download(self._chance.choice(self._mine), nowhere, collection=COLLECTION)


def run(scale: Scale) -> list[Table]:
    """Minute by minute, of the service alone."""
    return [soaked(scale, {})]


def run_on_stack(scale: Scale) -> list[Table]:
    """The same, with every part on a server of its own."""
    place = DATA / "stack-soak"
    shutil.rmtree(place, ignore_errors=True)
    with stack(place, PATIENT) as parts:
        return [soaked(scale, parts.settings)]


def soaked(scale: Scale, settings: Mapping[str, str]) -> Table:
    """The growth is that of our processes, from the end of the warm-up to the last minute."""
    pictures, patterns = query_pictures(PICTURES_ASKED), stored_pictures(BUILT)
    data = DATA / "soak"
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    dimension = card_of(bundled_folder()).dimension
    with serving(data, **settings, BUILD_ROOTS=str(PICTURES)) as server, Client(server.address) as client:
        client.collections.create(COLLECTION)
        visitors = [Visitor(client, pictures, dimension, number) for number in range(WORKERS)]
        with ThreadPoolExecutor(WORKERS + 2) as pool:
            list(pool.map(Visitor.stock, visitors))
            diary = Diary(scale.minutes)
            works = [pool.submit(visitor.visit, diary) for visitor in visitors]
            works += [pool.submit(build, client, patterns, diary), pool.submit(look, server, data, diary)]
            for work in works:
                work.result()
    return table(scale, diary.minutes)


def build(client: Client, patterns: list[str], diary: Diary) -> None:
    """Now and then a build into a collection of its own, which goes again."""
    while not diary.over.wait(BUILD_EVERY_S / 4):
        try:
            client.collections.create("built")
            operation = client.collections.build("built", PICTURES / "stored", include=patterns)
            if (done := operation.wait()).failed:
                diary.now().errors.append(f"build: {done}")
            client.collections.delete("built", force=True)
            diary.now().builds += 1
        except SoutuCallError as error:
            diary.now().errors.append(f"build: {error}")
            with suppress(SoutuCallError):
                client.collections.delete("built", force=True)
        diary.over.wait(3 * BUILD_EVERY_S / 4)


def look(server: RunningServer, data: Path, diary: Diary) -> None:
    """Looks at the memory of the server and its children, and turns the minutes."""
    while not diary.over.wait(LOOK_S):
        memory, whole = server.anonymous_mib(), server.memory_mib()
        minute = diary.now()
        minute.memory_mib.append(memory)
        minute.whole_mib.append(whole)
        minute.mapped = mapped(server.pid, data.resolve())


def table(scale: Scale, minutes: Sequence[Minute]) -> Table:
    whole = [minute for minute in minutes if len(minute.memory_mib) > 1]
    warm = min(int(min(WARM_MINUTES, scale.minutes / 2)), len(whole)) - 1
    errors = [error for minute in minutes for error in minute.errors]
    growth = whole[-1].memory - whole[warm].memory
    rows = [
        Row("errors", len(errors), "", "0", "; ".join(sorted(set(errors))[:3])),
        Row("growth", growth, "MiB", f"<= {GROWTH_MIB}", f"from minute {warm + 1} to {len(whole)}"),
        Row("growth, with what is mapped from files", whole[-1].whole - whole[warm].whole, "MiB"),
        Row("removed files still mapped, at most", max(minute.mapped.removed for minute in whole), "", "0"),
        *(minute.row(number) for number, minute in enumerate(whole, 1)),
    ]
    return Table(f"{scale.minutes:g} minutes, {WORKERS} callers, {STOCK} images, builds of {BUILT}", rows)

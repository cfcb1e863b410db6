"""Callers of several kinds, all at once, who note what became of each call."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from soutu.client import search_request
from soutu.v1.image_service_pb2 import UploadImageRequest
from tests.flows import pictures
from tests.flows.refusals import refusal_or_none
from tests.flows.served import Served, Stubs

TIMEOUT_S = 8.0
STORED = 8
_PAUSE_S = 0.03


class Callers:
    """Search and upload in the collection "c" of a server, each kind in a thread of its own, until it ends.

    Their pictures are numbered from `first` on. An outcome is "answered", what was special of an answer, or
    the reason or status of a refusal.
    """

    def __init__(self, served: Served, dimension: int, first: int) -> None:
        self.uploaded: set[str] = set()
        self._stubs = served.stubs
        self._dimension = dimension
        self._chance = np.random.default_rng(0)
        self._noted: list[tuple[float, str, str]] = []
        self._over = threading.Event()
        self._numbers = itertools.count(first)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Until the context ends, and every call under way with it."""
        kinds: Mapping[str, Callable[[Stubs], str]] = {
            "picture": self._by_picture,
            "same picture": self._by_same_picture,
            "stored": self._by_stored,
            "vector": self._by_vector,
            "upload": self._upload,
        }
        threads = [threading.Thread(target=self._go_on, args=each) for each in kinds.items()]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def outcomes(self, since: float = 0.0) -> dict[str, Counter[str]]:
        """How often what became of the calls of each kind that were made since then (time.monotonic)."""
        counted: dict[str, Counter[str]] = {}
        for began, kind, outcome in list(self._noted):
            if began >= since:
                counted.setdefault(kind, Counter())[outcome] += 1
        return counted

    def _go_on(self, kind: str, call: Callable[[Stubs], str]) -> None:
        while not self._over.wait(_PAUSE_S):
            began = time.monotonic()
            self._noted.append((began, kind, self._outcome(call)))

    def _outcome(self, call: Callable[[Stubs], str]) -> str:
        told: list[str] = []
        refusal = refusal_or_none(lambda: told.append(call(self._stubs)))
        return told[0] if refusal is None else refusal.reason or refusal.status

    def _by_picture(self, stubs: Stubs) -> str:
        return self._search(stubs, pictures.jpeg(next(self._numbers)))

    def _by_same_picture(self, stubs: Stubs) -> str:
        return self._search(stubs, pictures.jpeg(3))

    def _by_stored(self, stubs: Stubs) -> str:
        return self._search(stubs, f"i{self._chance.integers(STORED)}")

    def _by_vector(self, stubs: Stubs) -> str:
        return self._search(stubs, self._chance.standard_normal(self._dimension))

    def _search(self, stubs: Stubs, query: object) -> str:
        request = search_request("c", query, page_size=3)  # type: ignore[arg-type]
        answer = stubs.search.Search(request, timeout=TIMEOUT_S)
        if not answer.matches:
            return "nothing found"
        degraded = "+".join(each.part for each in answer.report.degraded)
        return f"without {degraded}" if degraded else "answered"

    def _upload(self, stubs: Stubs) -> str:
        number = next(self._numbers)
        request = UploadImageRequest(
            parent="collections/c", image_id=f"n{number}", content=pictures.jpeg(number)
        )
        answer = stubs.images.UploadImage(request, timeout=TIMEOUT_S)
        self.uploaded.add(f"n{number}")
        return "answered" if answer.receipt.indexed else "not indexed"

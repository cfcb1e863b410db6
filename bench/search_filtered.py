"""Filtered vector queries through gRPC: recall and latency at each selectivity."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.load import Load, Outcome, driven
from bench.models import projection_folder
from bench.report import Row, Table
from bench.scale import Scale
from bench.server import first_answer, serving
from bench.stored import COLLECTION, Described, vector_store
from bench.vectors import LIMIT, Workload
from soutu.client import search_request
from soutu.domain.collection import AttributeType
from soutu.domain.embedding import Vectors
from soutu.domain.image import Metadata
from soutu.v1.search_pb2 import SearchResponse

TITLE = "Filtered search by vector"
DIMENSION = 512
WARM_UP = 20
QUERIES = 200  # at each selectivity
MOST_QUERIES = 1_000
SHARES = (1 / 10_000, 1 / 1_000, 0.01, 0.05, 0.1, 0.2, 0.5, 0.9, 1.0)


@dataclass(frozen=True)
class Ranks:
    """Two orders of the stored rows: a random one, and one along a direction in which vectors lie."""

    scattered: NDArray[np.int64]
    alike: NDArray[np.int64]

    @classmethod
    def of(cls, stored: Vectors) -> "Ranks":
        """The orders of vectors (n, dimension)."""
        random = np.random.default_rng(1)
        direction = random.standard_normal(stored.shape[1])
        return cls(random.permutation(len(stored)), np.argsort(np.argsort(stored @ direction)))

    def metadata(self, row: int) -> Metadata:
        """What is said of a row."""
        ranks = {"scattered": int(self.scattered[row]), "alike": int(self.alike[row])}
        title = f"Picture {row}, rank {self.scattered[row]:06d}"
        return Metadata(title=title, tags=("bench", f"tag-{row % 50}"), attributes=ranks)


@dataclass(frozen=True)
class Filtered:
    """A filter and the rows that satisfy it."""

    name: str
    text: str
    rows: NDArray[np.bool_]


def run(scale: Scale) -> list[Table]:
    """One caller, a new vector each call, filter after filter."""
    work = Workload.drawn(scale.vectors, DIMENSION, MOST_QUERIES)
    ranks = Ranks.of(work.stored)
    attributes = {"scattered": AttributeType.INTEGER, "alike": AttributeType.INTEGER}
    data = vector_store(projection_folder(), work.stored, Described("described", attributes, ranks.metadata))
    rows: list[Row] = []
    with serving(data) as server:
        asked = Asked(server.address, work)
        for filtered in filters(ranks, scale.vectors):
            rows += asked.rows(filtered)
    return [Table(f"{scale.vectors:,} x {DIMENSION} stored, one caller", rows)]


def filters(ranks: Ranks, count: int) -> Sequence[Filtered]:
    """None, both orders at each share, and a text of every tenth title."""
    everything = np.ones(count, np.bool_)
    found = [Filtered("no filter", "", everything)]
    for name, order in (("scattered", ranks.scattered), ("alike", ranks.alike)):
        for share in SHARES:
            least = max(int(count * share), 1)
            found.append(Filtered(f"{share:.2%} {name}", f"attributes.{name} < {least}", order < least))
    for ending in ("7", "007"):  # the index does not hold titles
        rows = ranks.scattered % 10 ** len(ending) == 7
        found.append(Filtered(f"{rows.mean():.2%} by title", f'title = "*{ending}"', rows))
    return found


@dataclass(frozen=True)
class Asked:
    """The server, and what is asked of it."""

    address: str
    work: Workload

    def rows(self, filtered: Filtered) -> list[Row]:
        """Recall, latency, failures and short answers of one filter."""
        outcome = self.outcome(filtered.text)
        replies = [SearchResponse.FromString(reply) for reply in outcome.replies]
        wanted = min(LIMIT, int(filtered.rows.sum()))
        short = sum(len(reply.matches) < wanted for reply in replies)
        assert not outcome.errors, outcome.errors[:3]
        found = recall(replies, self.work, filtered.rows)
        return [
            Row(f"{filtered.name}: recall@{LIMIT}", found, "", ">= 0.98", f"{short} short answers"),
            Row(f"{filtered.name}: median", outcome.latency_ms(50), "ms"),
            Row(f"{filtered.name}: p99", outcome.latency_ms(99), "ms"),
        ]

    def outcome(self, text: str) -> Outcome:
        """The answers to QUERIES queries with this filter, in their order."""
        queries = self.work.queries[: QUERIES + WARM_UP]
        requests = [search_request(COLLECTION, query, page_size=LIMIT, filter=text) for query in queries]
        first_answer(self.address, requests[-1])
        asked = [request.SerializeToString() for request in requests]
        return driven(Load(self.address, asked, QUERIES, concurrency=1, channels=1, warm_up=WARM_UP))


def recall(replies: Sequence[SearchResponse], work: Workload, satisfy: NDArray[np.bool_]) -> float:
    """The share of the exact nearest, among the rows that satisfy the filter, that the answers hold."""
    rows = np.flatnonzero(satisfy)
    exact = np.argsort(-(work.queries[: len(replies)] @ work.stored[rows].T), axis=1)[:, :LIMIT]
    shared = 0
    for reply, nearest in zip(replies, exact, strict=True):
        found = {match.name.rsplit("/", 1)[1] for match in reply.matches}
        shared += len(found & {f"v{row}" for row in rows[nearest]})
    return shared / exact.size

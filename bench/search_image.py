"""Picture bytes in, ten matches with metadata out, through gRPC: as a share of raw inference."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.load import Load, Outcome, driven
from bench.models import bundled_folder, card_of, resnet_folder
from bench.pictures import large_pictures, query_pictures
from bench.raw import RawInference
from bench.report import Row, Table
from bench.scale import CONCURRENCY, Scale
from bench.server import first_answer, serving
from bench.stored import COLLECTION, picture_store
from soutu.client import search_request
from soutu.v1.search_pb2 import SearchResponse

TITLE = "Search by picture against raw inference"
PAGE = 10


def run(scale: Scale) -> list[Table]:
    """Of a ResNet-50 in int8, and of the bundled descriptor."""
    return [measured(resnet_folder(), scale, ">= 65"), *first_look(scale)]


def first_look(scale: Scale) -> list[Table]:
    """Of the bundled descriptor only."""
    return [measured(bundled_folder(), scale)]


def measured(model: Path, scale: Scale, target: str = "") -> Table:
    """One server, its load, and raw inference before and after it."""
    data = picture_store(model, scale.images)
    small, large = query_pictures(scale.queries), large_pictures(scale.large)
    raw = RawInference(model, scale.seconds)
    raw.measure()
    with serving(data) as server:
        first_answer(server.address, search_request(COLLECTION, small[-1]))
        of_small = driven(picture_load(server.address, small))
        of_large = driven(picture_load(server.address, large))
    raw.measure()
    rows = [
        share_row("500 px", of_small, raw.best, target),
        share_row("12 MP", of_large, raw.best),
        *raw.rows(),
        *outcome_rows("500 px", of_small),
        *outcome_rows("12 MP", of_large),
    ]
    return Table(f"{card_of(model).ref}, {scale.images:,} pictures stored", rows)


def picture_load(address: str, pictures: Sequence[bytes]) -> Load:
    """Every picture once, none of them known to a cache; the last ones warm up."""
    requests = [request(picture) for picture in pictures]
    warm_up = min(CONCURRENCY, len(requests) // 4)
    return Load(address, requests, len(requests) - warm_up, CONCURRENCY, warm_up=warm_up)


def request(picture: bytes) -> bytes:
    return search_request(COLLECTION, picture, page_size=PAGE).SerializeToString()


def share_row(size: str, outcome: Outcome, raw: float, target: str = "") -> Row:
    return Row(f"{size}, share of raw inference", 100 * outcome.throughput / raw, "%", target)


def outcome_rows(size: str, outcome: Outcome) -> Iterator[Row]:
    replies = [SearchResponse.FromString(reply) for reply in outcome.replies]
    yield Row(f"{size}, {CONCURRENCY} callers", outcome.throughput, "searches/s")
    for percent in (50, 95, 99):
        yield Row(f"{size}, p{percent}", outcome.latency_ms(percent), "ms")
    yield from stage_rows(size, replies, outcome.mean_ms)
    yield Row(f"{size}, calls that failed", len(outcome.errors), "calls", "0")
    short = sum(len(reply.matches) != PAGE for reply in replies)
    yield Row(f"{size}, answers with fewer than {PAGE} matches", short, "calls", "0")
    yield Row(f"{size}, answers from the cache", sum(reply.report.cached for reply in replies), "calls", "0")


def stage_rows(size: str, replies: Sequence[SearchResponse], latency_ms: float) -> Iterator[Row]:
    """Each stage's mean, waiting for a core included, and what the callers saw beyond the stages."""
    totals: dict[str, float] = {}
    for reply in replies:
        for timing in reply.report.stages:
            totals[timing.stage] = totals.get(timing.stage, 0.0) + timing.duration.ToNanoseconds() / 1e6
    means = {stage: total / len(replies) for stage, total in totals.items()}
    means["outside the stages"] = latency_ms - sum(means.values())
    for stage, mean in means.items():
        yield Row(f"{size}, {stage}", mean, "ms", remark=f"{mean / latency_ms:.0%} of the latency")

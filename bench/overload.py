"""Three times the load that saturates the server, by clients that honour nothing: what is still answered."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench.balance import balanced
from bench.models import bundled_folder, card_of, resnet_folder
from bench.offer import Offer, Taken, Target, closed, offered, written
from bench.pictures import query_pictures
from bench.report import Row, Table
from bench.scale import Scale
from bench.search_image import request
from bench.server import first_answer, serving
from bench.stored import COLLECTION, picture_store
from soutu.client import search_request

TITLE = "Goodput at three times the saturating load"
TIMES = 3
DEADLINE_S = 2.0
CALLERS = (8, 16, 32)
SETTLE_S = 5.0


def run(scale: Scale) -> list[Table]:
    """Of a ResNet-50 in int8, and of the bundled descriptor."""
    return [measured(resnet_folder(), scale, ">= 80"), measured(bundled_folder(), scale, ">= 80")]


def measured(model: Path, scale: Scale, target: str) -> Table:
    """The peak of closed loops, then the open loop, on one server that keeps next to nothing in its cache, so
    that pictures may be asked for again."""
    pictures = query_pictures(scale.queries)
    with (
        written([request(picture) for picture in pictures]) as searches,
        serving(picture_store(model, scale.images), CACHE_MEMORY_BYTES="1024") as server,
    ):
        first_answer(server.address, search_request(COLLECTION, pictures[-1]))
        asked = Target(server.address, searches)
        closed(asked, 4 * CALLERS[0], CALLERS[0])  # its decoders and threads are warm
        peaks = {
            callers: balanced(server, partial(closed, asked, scale.queries, callers)) for callers in CALLERS
        }
        best, at_best = max(peaks.values(), key=lambda peak: peak[0])
        offered(asked, Offer(TIMES * best, SETTLE_S, DEADLINE_S))  # it learns how long its work takes now
        offer = Offer(TIMES * best, scale.overload, DEADLINE_S)
        taken, balance = balanced(server, lambda: offered(asked, offer))
        after = closed(asked, scale.queries, CALLERS[0])
    rows = [
        Row("goodput, share of the peak", 100 * taken.goodput / best, "%", target),
        Row("goodput", taken.goodput, "answers/s", remark=f"within {DEADLINE_S:g} s"),
        *(Row(f"closed loop, {callers} callers", rate, "searches/s") for callers, (rate, _) in peaks.items()),
        Row(f"closed loop afterwards, {CALLERS[0]} callers", after, "searches/s"),
        *taken_rows(taken, TIMES * best),
        *at_best.rows("at the peak"),
        *balance.rows("under the offer"),
    ]
    return Table(f"{card_of(model).ref}, {scale.images:,} pictures stored", rows)


def taken_rows(taken: Taken, wanted: float) -> list[Row]:
    refused = sum(taken.refusals.values())
    return [
        Row("offered", taken.rate, "calls/s", remark=f"{wanted:.0f} wanted"),
        *(Row(f"answered, p{percent}", taken.latency_ms(percent), "ms") for percent in (50, 99)),
        *(Row(f"refused, {reason}", count, "calls") for reason, count in sorted(taken.refusals.items())),
        *quick_rows(taken.refusal_latencies_s, refused),
    ]


def quick_rows(latencies_s: Sequence[float], refused: int) -> list[Row]:
    """How soon those that were refused were told."""
    if not refused:
        return []
    soon = sum(latency < 0.1 for latency in latencies_s)
    return [Row("refused within 0.1 s", 100 * soon / refused, "%")]

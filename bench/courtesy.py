"""Queries alone, and the same queries while a collection is built beside them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from bench.load import Load, Outcome, driven
from bench.models import bundled_folder, card_of, resnet_folder
from bench.pictures import PICTURES, query_pictures, stored_pictures
from bench.report import Row, Table
from bench.scale import CONCURRENCY, Scale
from bench.search_image import request
from bench.server import first_answer, serving
from bench.stored import COLLECTION, DATA, picture_store
from soutu.client import Client, search_request

TITLE = "Queries during a build"
BUILT = "built"
CALLERS = (1, CONCURRENCY)


def run(scale: Scale) -> list[Table]:
    """Of a ResNet-50 in int8, and of the bundled descriptor."""
    return [measured(resnet_folder(), scale), measured(bundled_folder(), scale)]


def measured(model: Path, scale: Scale) -> Table:
    """On a copy of the store, and with next to no cache, so that the same pictures may be asked for again.

    What is built are pictures beyond those stored: a content that is known is not embedded again.
    """
    data = DATA / "courtesy"
    shutil.rmtree(data, ignore_errors=True)
    shutil.copytree(picture_store(model, scale.images), data)
    pictures, known = query_pictures(scale.queries), stored_pictures(scale.images)
    unknown = [each for each in stored_pictures(scale.images + scale.build) if each not in known]
    requests = [request(picture) for picture in pictures]
    settings = {"CACHE_MEMORY_BYTES": "1024", "BUILD_ROOTS": str(PICTURES)}
    with serving(data, **settings) as server, Client(server.address) as client:
        first_answer(server.address, search_request(COLLECTION, pictures[-1]))
        alone = {callers: asked(server.address, requests, callers) for callers in CALLERS}
        client.collections.create(BUILT, model=f"models/{card_of(model).ref}")
        build = client.collections.build(BUILT, PICTURES / "stored", include=unknown)
        beside = {callers: asked(server.address, requests, callers) for callers in CALLERS}
        operation = client.operations.get(build.name)
        assert not operation.done, "the build was over before the queries: say more with --build"
        done = client.images.count(BUILT)
        build.cancel()
    rows = [row for callers in CALLERS for row in compared(callers, alone[callers], beside[callers])]
    spent = sum(outcome.seconds for outcome in beside.values())
    rows.append(Row("build meanwhile", done / spent, "images/s"))
    return Table(f"{card_of(model).ref}, {scale.images:,} pictures stored", rows)


def asked(address: str, requests: list[bytes], callers: int) -> Outcome:
    """All pictures once, by so many callers."""
    outcome = driven(Load(address, requests, len(requests), callers))
    assert not outcome.errors, f"{len(outcome.errors)} calls failed: {set(outcome.errors)}"
    return outcome


def compared(callers: int, alone: Outcome, beside: Outcome) -> Iterator[Row]:
    who = f"{callers} caller{'s' if callers > 1 else ''}"
    for percent in (50, 99):
        times = beside.latency_ms(percent) / alone.latency_ms(percent)
        yield Row(f"{who}, p{percent} beside / alone", times, "times", "<= 2" if percent == 99 else "")
        yield Row(f"{who}, p{percent} alone", alone.latency_ms(percent), "ms")
        yield Row(f"{who}, p{percent} beside a build", beside.latency_ms(percent), "ms")

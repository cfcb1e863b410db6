"""Building a collection from a directory of pictures of 500 px, against raw inference."""

import shutil
import time
from pathlib import Path

from bench.models import bundled_folder, card_of, resnet_folder
from bench.pictures import PICTURES, stored_pictures
from bench.raw import RawInference
from bench.report import Row, Table
from bench.scale import Scale
from bench.server import serving
from bench.stored import COLLECTION, DATA, add_model
from soutu.client import Client

TITLE = "Building against raw inference"


def run(scale: Scale) -> list[Table]:
    """With a ResNet-50 in int8, and with the bundled descriptor."""
    return [measured(resnet_folder(), scale, ">= 75"), measured(bundled_folder(), scale)]


def measured(model: Path, scale: Scale, target: str = "") -> Table:
    stored_pictures(scale.build)
    raw = RawInference(model, scale.seconds)
    raw.measure()
    rate = build_rate(model, scale.build)
    raw.measure()
    share = Row("build, share of raw inference", 100 * rate / raw.best, "%", target)
    rows = [share, Row("build", rate, "images/s"), *raw.rows()]
    return Table(f"{card_of(model).ref}, {scale.build:,} pictures of 500 px", rows)


def build_rate(model: Path, count: int) -> float:
    """Images a second of a build into an empty data directory, from the call to its end."""
    data = DATA / "build"
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    add_model(data, model)
    with serving(data, BUILD_ROOTS=str(PICTURES)) as server, Client(server.address) as client:
        client.collections.create(COLLECTION, model=f"models/{card_of(model).ref}")
        started = time.perf_counter()
        operation = client.collections.build(COLLECTION, PICTURES / "stored", include=stored_pictures(count))
        built = operation.wait()
        seconds = time.perf_counter() - started
    assert (built.added, built.failed) == (count, 0), f"{built.added} were built, {built.failed} failed"
    return count / seconds

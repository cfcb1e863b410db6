"""Measures a server under load with ghz, and prints a table: requests a second, latencies, errors.

python -m tests.load                                  a server of its own, embedded, with generated pictures
python -m tests.load --address HOST:PORT              one that runs, in a collection that is deleted after
"""

import argparse
import secrets
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from scripts.stack.places import ROOT
from soutu.client import Client, Tls
from tests.flows.served import Served
from tests.load.measuring import Measured, NoGhzError, Target, ghz, measured, table
from tests.load.requests import SCENARIOS, Amounts, Requests, written

PLACE = ROOT / "build" / "load"
TIMES = {1: 1, 8: 4, 64: 8}  # as many requests at these concurrencies


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    amounts = Amounts(given.stored, {level: TIMES.get(level, 4) * given.requests for level in given.at})
    try:
        ghz()
    except NoGhzError as error:
        print(f"load: {error}", file=sys.stderr)
        return 1
    PLACE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=PLACE) as name, _target(given, Path(name)) as target:
        lines = list(_all(target, given.scenario or SCENARIOS, amounts, Path(name)))
    print(table(lines))
    return 1 if any(line.errors for line in lines) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.load", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--address", help="HOST:PORT of a server that runs")
    parser.add_argument("--key-file", type=Path, help="the file with a key of scope admin or write")
    parser.add_argument("--ca", type=Path, help="authorities (PEM) that the server is trusted by: TLS")
    parser.add_argument("--stored", type=int, default=1_000, help="pictures in the collection")
    parser.add_argument("--requests", type=int, default=100, help="searches by picture over one connection")
    parser.add_argument("--at", type=int, nargs="+", default=[*TIMES], help="connections at a time")
    parser.add_argument("--scenario", action="append", choices=SCENARIOS, help="only this one (and others)")
    return parser


@contextmanager
def _target(given: argparse.Namespace, place: Path) -> Iterator[Target]:
    """The server that was named, else one of our own for as long as it is needed."""
    if given.address:
        key = given.key_file.read_text("utf-8").strip() if given.key_file else ""
        yield Target(given.address, key, given.ca)
        return
    with Served(place) as served:
        yield Target(served.address)


def _all(target: Target, scenarios: Sequence[str], amounts: Amounts, place: Path) -> Iterator[Measured]:
    """Fills a collection, measures each scenario at each concurrency, and deletes the collection."""
    tls = Tls(target.authorities.read_bytes()) if target.authorities else None
    collection = f"load-{secrets.token_hex(4)}"
    with Client(target.address, key=target.key or None, tls=tls, timeout_s=120) as client:
        model = client.collections.create(collection).model
        try:
            dimension = next(each.dimension for each in client.models.list() if each.name == model)
            requests = Requests(collection, dimension, amounts)
            _fill(client, collection, requests.stored)
            client.search(collection, requests.known)  # the model is loaded, and this answer cached
            for scenario in scenarios:
                for concurrency, count in amounts.of(scenario).items():
                    data = written(requests.of(scenario, count), place / f"{scenario}-{concurrency}.json")
                    yield measured(scenario, data, count, concurrency, target)
                    data.unlink()
        finally:
            client.collections.delete(collection, force=True)


def _fill(client: Client, collection: str, pictures: Sequence[bytes]) -> None:
    revision = ""
    for number, picture in enumerate(pictures):
        revision = client.images.upload(collection, picture, image_id=str(number)).receipt.revision
    if revision:
        client.search(collection, pictures[0], min_revision=revision)


if __name__ == "__main__":
    sys.exit(main())

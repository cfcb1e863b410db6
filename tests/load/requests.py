"""What is asked: requests of each scenario as the JSON that ghz reads. No search finds another's answer in
a cache, but for the scenario that is about just that."""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.pictures import query_pictures

Request = Mapping[str, object]
PAGE_SIZE = 10


@dataclass(frozen=True, slots=True)
class Amounts:
    """How many pictures are stored, and how many requests are made at each concurrency."""

    stored: int
    requests: Mapping[int, int]

    def of(self, scenario: str) -> dict[int, int]:
        """The requests of a scenario by concurrency: more of those that cost little."""
        factor = {"search_vector": 5.0, "search_stored": 5.0, "search_cached": 10.0, "upload": 0.5}
        return {level: max(1, int(count * factor.get(scenario, 1))) for level, count in self.requests.items()}


class Requests:
    """Makes the requests about a collection and its model's vectors; each picture is used once."""

    def __init__(self, collection: str, dimension: int, amounts: Amounts) -> None:
        self._collection = f"collections/{collection}"
        self._dimension = dimension
        self._amounts = amounts
        wanted = sum(sum(amounts.of(name).values()) for name in ("search_image", "upload"))
        drawn = query_pictures(amounts.stored + wanted + 1)
        self.stored, self._fresh = drawn[: amounts.stored], iter(drawn[amounts.stored :])
        self.known = next(self._fresh)
        self._chance = np.random.default_rng(7)

    def of(self, scenario: str, count: int) -> Iterator[Request]:
        """So many requests of a scenario; one where all are alike, since ghz begins anew at the end."""
        make = {
            "search_image": self._by_image,
            "search_stored": self._by_id,
            "search_vector": self._by_vector,
            "search_cached": self._cached,
            "upload": self._upload,
        }[scenario]
        return (make(number) for number in range(1 if scenario == "search_cached" else count))

    def _by_image(self, _: int) -> Request:
        return self._search({"image": _text(next(self._fresh))})

    def _by_id(self, number: int) -> Request:
        name = f"{self._collection}/images/{number % self._amounts.stored}"
        return {**self._search({"storedImage": name}), "skipCache": True}

    def _by_vector(self, _: int) -> Request:
        values = self._chance.standard_normal(self._dimension)
        vector = np.round(values / np.linalg.norm(values), 6).tolist()
        return {**self._search({"vector": {"values": vector}}), "skipCache": True}

    def _cached(self, _: int) -> Request:
        return self._search({"image": _text(self.known)})

    def _upload(self, _: int) -> Request:
        return {"parent": self._collection, "content": _text(next(self._fresh))}

    def _search(self, part: Request) -> Request:
        return {"collection": self._collection, "parts": [part], "pageSize": PAGE_SIZE}


def written(requests: Iterator[Request], file: Path) -> Path:
    """The file that holds the requests, in order, as one array."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8") as out:
        for number, request in enumerate(requests):
            out.write("[\n" if number == 0 else ",\n")
            json.dump(request, out, separators=(",", ":"))
        out.write("\n]\n")
    return file


def _text(picture: bytes) -> str:
    return base64.b64encode(picture).decode()


SCENARIOS: Sequence[str] = ("search_image", "search_stored", "search_vector", "search_cached", "upload")

"""A service on the stack while a part of it is cut off, stands still or is slow, under load: who is answered
what meanwhile, and that all is well again afterwards."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

import pytest

from soutu.client.queries import vector_values
from tests.flows import pictures
from tests.flows.callers import STORED, Callers
from tests.flows.elsewhere import Places
from tests.flows.proxied import Proxies, proxied
from tests.flows.refusals import NEVER
from tests.flows.served import Served, until

pytestmark = [pytest.mark.slow, pytest.mark.placed]

AWAY_S = 6.0
SETTLED_S = 2.0  # until what was under way when the part went has ended, and breakers know
WAITS = {
    "SOUTU_INFERENCE_WAIT_S": "1",
    "SOUTU_CACHE_WAIT_S": "0.3",
    "SOUTU_INDEX_WAIT_S": "2",
    "SOUTU_INDEX_INDEXED_WAIT_S": "3",
}
BACK_S = 60.0
KINDS = ("picture", "same picture", "stored", "vector", "upload")
Fault = Callable[[Proxies, str], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Case:
    """What happens to the part that a setting names, and what each kind of call is then answered with: the
    outcomes given, or "answered" for kinds that are left out."""

    name: str
    setting: str
    fault: Fault
    outcomes: Mapping[str, frozenset[str]]


def cut(proxies: Proxies, setting: str) -> AbstractContextManager[None]:
    return proxies.cut(setting)


def still(proxies: Proxies, setting: str) -> AbstractContextManager[None]:
    return proxies.still(setting)


def slow(proxies: Proxies, setting: str) -> AbstractContextManager[None]:
    return proxies.slow(setting, 300)


CACHE, MODELS, OBJECTS = "SOUTU_CACHE_URL", "SOUTU_INFERENCE_URL", "SOUTU_OBJECTS_ENDPOINT"
CATALOG, INDEX = "SOUTU_CATALOG_URL", "SOUTU_INDEX_URL"
NO_MODEL = frozenset({"INFERENCE_UNAVAILABLE"})
NO_OBJECTS = frozenset({"OBJECTS_UNAVAILABLE"})
NO_CATALOG = frozenset({"CATALOG_UNAVAILABLE"})
NAMES_ONLY = frozenset({"without catalog"})
NO_INDEX = frozenset({"INDEX_UNAVAILABLE"})
SEARCHES = ("picture", "same picture", "vector")
CASES = [
    Case("triton cut", MODELS, cut, {"picture": NO_MODEL, "upload": NO_MODEL}),
    Case("triton still", MODELS, still, {"picture": NO_MODEL, "upload": NO_MODEL}),
    Case("s3 cut", OBJECTS, cut, {"upload": NO_OBJECTS}),
    Case(
        "mariadb cut",
        CATALOG,
        cut,
        {**dict.fromkeys(SEARCHES, NAMES_ONLY), "stored": NO_CATALOG, "upload": NO_CATALOG},
    ),
    Case(
        "milvus cut",
        INDEX,
        cut,
        {**dict.fromkeys([*SEARCHES, "stored"], NO_INDEX), "upload": frozenset({"not indexed"})},
    ),
    Case("redis cut", CACHE, cut, {}),
    Case("redis still", CACHE, still, {}),
    Case("redis slow", CACHE, slow, {}),
]


@pytest.fixture(scope="module")
def proxies(whole_stack: Places, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxies]:
    with proxied(whole_stack.of(tmp_path_factory.mktemp("data"))) as proxies:
        yield proxies


@pytest.fixture(scope="module")
def served(proxies: Proxies, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("served"), settings={**proxies.settings, **WAITS}) as served:
        served.client.collections.create("c")
        for number in range(STORED):
            served.client.images.upload("c", pictures.jpeg(number), image_id=f"i{number}")
        yield served


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_part_that_is_away_costs_what_it_does_and_no_more(
    served: Served, proxies: Proxies, case: Case
) -> None:
    vector = vector_values(served.client.embed("c", [pictures.jpeg(0)]).vectors[0])
    callers = Callers(served, len(vector), first=10_000 * (1 + CASES.index(case)))
    with callers.at_work():
        time.sleep(SETTLED_S)
        with case.fault(proxies, case.setting):
            time.sleep(SETTLED_S)
            began = time.monotonic()
            time.sleep(AWAY_S)
            meanwhile = callers.outcomes(began)
        until(lambda: well(callers), BACK_S)
    print(case.name, meanwhile)
    for kind in KINDS:
        expected = case.outcomes.get(kind, frozenset({"answered"}))
        assert set(meanwhile[kind]) <= expected, f"{kind}: {meanwhile[kind]}"
    everything: Counter[str] = sum(callers.outcomes().values(), Counter())
    assert not set(everything) & {*NEVER, "nothing found"}
    agree(served, callers.uploaded)


def well(callers: Callers) -> bool:
    """Whether every kind of call is answered again."""
    lately = callers.outcomes(time.monotonic() - 1.0)
    return all(set(lately.get(kind, ())) == {"answered"} for kind in KINDS)


def agree(served: Served, uploaded: set[str]) -> None:
    """What was acknowledged is there and found."""
    client = served.client
    there = {image.name.rpartition("/")[2] for image in client.images.list("c")}
    assert uploaded <= there
    for name in sorted(uploaded)[:: max(1, len(uploaded) // 10)]:
        answer = client.search("c", pictures.jpeg(int(name[1:])), page_size=1)
        assert answer.matches[0].image.name.endswith(f"/{name}")

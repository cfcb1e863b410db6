"""A purge through one process, and what another one still answers where they share no Redis."""

import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from typing import Any

import pytest

from soutu.client import Client, SoutuCallError
from soutu.v1.search_pb2 import SearchRequest, SearchResponse
from tests.flows import pictures
from tests.flows.admin import downloaded
from tests.flows.elsewhere import Places
from tests.flows.proxied import Proxies, proxied
from tests.flows.refusals import refusal_of, refusal_or_none
from tests.flows.served import Served, until
from tests.flows.test_strange_clients import free_port

pytestmark = [pytest.mark.slow, pytest.mark.placed]
CATALOG, SECRET, TITLE = "SOUTU_CATALOG_URL", "zanzibarquokka", "the quokka of Zanzibar"
PURGED_S = 120.0
LOOK_S = 5.0  # a process looks ten times a second which generations there are
_numbers = count(1)
AWAY = frozenset({"INDEX_UNREADY", "INDEX_UNAVAILABLE", "CATALOG_UNAVAILABLE"})


@pytest.fixture(scope="module")
def servers(
    whole_stack: Places, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Served, Served, Proxies]]:
    """Two servers of one deployment, and the proxies through which the second one reaches what they share."""
    place = tmp_path_factory.mktemp("purging")
    shared = {name: value for name, value in whole_stack.of(place).items() if name != "SOUTU_CACHE_URL"}
    shared |= {"SOUTU_DECODE_WORKERS": "1"}
    with proxied(shared) as proxies:
        own = {"SOUTU_SERVER_METRICS_PORT": f"{free_port()}"}
        one = Served(place / "one", settings=shared)
        other = Served(place / "other", settings={**shared, **proxies.settings, **own})
        with one, other:
            yield one, other, proxies


@pytest.fixture
def filled(servers: tuple[Served, Served, Proxies]) -> str:
    """A collection of six images, one of them the secret, that both servers can search."""
    one, other, _ = servers
    name = f"c{next(_numbers)}"
    one.client.collections.create(name)
    for number in range(5):
        one.client.images.upload(name, pictures.jpeg(number), image_id=f"i{number}")
    one.client.images.upload(name, pictures.jpeg(77), image_id=SECRET, title=TITLE, request_id=f"r-{name}")
    for each in (one, other):
        until(partial(shows, each.client, name, 6), PURGED_S)
    return name


def shows(client: Client, collection: str, images: int) -> bool:
    """Whether searches work, and show so many images."""
    try:
        return len(client.search(collection, pictures.jpeg(1), page_size=9).matches) == images
    except SoutuCallError:
        return False


def question(collection: str, number: int = 77, **fields: Any) -> SearchRequest:
    request = SearchRequest(collection=f"collections/{collection}", **fields)
    request.parts.add().image = pictures.jpeg(number)
    return request


def learned(served: Served, collection: str) -> SearchRequest:
    """A search whose whole answer, with the secret in it, the server remembers from now on."""
    asked = question(collection)
    until(lambda: served.stubs.search.Search(asked).report.cached)
    assert names(said(served, asked))
    return asked


def said(served: Served, asked: SearchRequest) -> str:
    """The answer to a search; "" where the server cannot tell just now."""
    answers: list[SearchResponse] = []
    refusal = refusal_or_none(lambda: answers.append(served.stubs.search.Search(asked, timeout=30)))
    assert refusal is None or refusal.reason in AWAY, refusal
    return str(answers)


def names(answer: str) -> bool:
    """Whether an answer lets the secret out."""
    return SECRET in answer or TITLE in answer


def missed(served: Served) -> float:
    """How many embeddings the server looked for in its cache and did not find."""
    port = served.settings["SOUTU_SERVER_METRICS_PORT"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
        lines = page.read().decode().splitlines()
    wanted = [each for each in lines if each.startswith("soutu_cache_reads") and '"embeddings"' in each]
    return sum(float(each.rsplit(" ", 1)[1]) for each in wanted if 'outcome="miss"' in each)


def answer_or_reason(call: Callable[[], object]) -> str:
    try:
        return str(call())
    except SoutuCallError as error:
        return error.reason


def test_what_was_purged_through_one_process_no_other_answers_with(
    servers: tuple[Served, Served, Proxies], filled: str
) -> None:
    one, other, _ = servers
    client = other.client
    asked = learned(other, filled)
    first = other.stubs.search.Search(question(filled, 1, page_size=1))
    client.images.thumbnail(SECRET, collection=filled)
    one.client.admin.purge(filled, [SECRET]).wait(PURGED_S)
    assert not names(said(other, asked))
    told = [
        answer_or_reason(lambda: client.images.get(SECRET, collection=filled)),
        answer_or_reason(lambda: client.images.thumbnail(SECRET, collection=filled)),
        answer_or_reason(lambda: downloaded(client, SECRET, filled)),
        answer_or_reason(lambda: client.search(filled, f"collections/{filled}/images/{SECRET}")),
    ]
    assert told == ["IMAGE_NOT_FOUND"] * 4
    assert client.images.count(filled) == 5
    replayed = answer_or_reason(
        lambda: client.images.upload(
            filled, pictures.jpeg(77), image_id=SECRET, title=TITLE, request_id=f"r-{filled}"
        )
    )
    assert replayed == "IMAGE_NOT_FOUND"
    assert all(SECRET not in str(each) for each in (*client.images.list(filled), *client.operations.list()))
    paged = question(filled, 1, page_size=1)
    paged.page_token = first.next_page_token
    assert refusal_of(lambda: other.stubs.search.Search(paged)).reason == "PAGE_TOKEN_EXPIRED"
    assert until(partial(shows, client, filled, 5), PURGED_S)
    assert not names(said(other, asked))


def test_what_another_process_remembers_is_forgotten(
    servers: tuple[Served, Served, Proxies], filled: str
) -> None:
    """Its answers cannot be found any more; the vectors of pictures that were searched by go, too."""
    one, other, _ = servers
    learned(other, filled)
    one.client.admin.purge(filled, [SECRET]).wait(PURGED_S)
    assert until(partial(shows, other.client, filled, 5), PURGED_S)

    def looked_for() -> bool:
        before = missed(other)
        other.stubs.search.Search(question(filled, 77, skip_cache=True))
        return missed(other) > before

    assert until(looked_for, LOOK_S)


def test_a_process_that_has_lost_the_catalogue_does_not_answer_with_it_either(
    servers: tuple[Served, Served, Proxies], filled: str
) -> None:
    """For a while it goes on with what it knows, but not with whole answers of before."""
    one, other, proxies = servers
    asked = learned(other, filled)
    with proxies.cut(CATALOG):
        one.client.admin.purge(filled, [SECRET]).wait(PURGED_S)
        assert not names(said(other, asked))
    assert until(partial(shows, other.client, filled, 5), PURGED_S)
    assert not names(said(other, asked))

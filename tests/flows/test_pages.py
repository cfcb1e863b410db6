"""Page tokens: all matches, none twice, whatever happens between the pages."""

import base64
from collections.abc import Callable, Iterator, Sequence

import pytest

from soutu.client import Client, Part, Upload
from soutu.v1.search_pb2 import Match, SearchRequest, SearchResponse
from tests.flows import pictures
from tests.flows.refusals import refused
from tests.flows.served import Served

CROWD = "crowd"
SIZE = 104


@pytest.fixture(scope="module")
def crowd(server: Served) -> Iterator[Client]:
    """The client of a server whose collection "crowd" holds SIZE small images; every fourth has a twin."""
    server.client.collections.create(CROWD)
    fill(server.client, CROWD, [seed - (seed % 4 == 1) for seed in range(SIZE)])
    yield server.client
    server.client.collections.delete(CROWD, force=True)


def fill(client: Client, collection: str, seeds: Sequence[int]) -> None:
    uploads = [
        Upload(pictures.png(seed, 48, 36), {"image_id": f"p{number}"}) for number, seed in enumerate(seeds)
    ]
    results = list(client.images.upload_many(collection, uploads))
    assert [result.status.code for result in results] == [0] * len(seeds)


def ids(answer: SearchResponse) -> list[str]:
    return [match.name.rpartition("/")[2] for match in answer.matches]


def place(match: Match) -> tuple[float, int]:
    return -match.score, int(match.image.uid)


@pytest.mark.parametrize("size", [7, 26, 100])
def test_a_walk_over_all_pages_shows_each_image_once_in_order(crowd: Client, size: int) -> None:
    pages = list(crowd.search_pages(CROWD, pictures.png(1000), page_size=size))
    matches = [match for page in pages for match in page.matches]
    assert len({match.name for match in matches}) == len(matches) == SIZE
    assert [place(match) for match in matches] == sorted(place(match) for match in matches)
    assert all(page.next_page_token for page in pages[:-1])


def test_equal_scores_come_oldest_first(crowd: Client) -> None:
    found = crowd.search(CROWD, pictures.png(4, 48, 36), page_size=2)
    assert ids(found) == ["p4", "p5"]
    assert found.matches[0].score == found.matches[1].score


def test_the_page_size_may_change_from_page_to_page(crowd: Client) -> None:
    query = pictures.png(1001)
    whole = ids(crowd.search(CROWD, query, page_size=60))
    first = crowd.search(CROWD, query, page_size=5)
    second = crowd.search(CROWD, query, page_size=33, page_token=first.next_page_token)
    third = crowd.search(CROWD, query, page_token=second.next_page_token)
    assert ids(first) + ids(second) + ids(third) == whole[:48]


def test_a_token_goes_on_without_the_parts(server: Served, crowd: Client) -> None:
    first = crowd.search(CROWD, pictures.png(1001), page_size=5)
    again = crowd.search(CROWD, pictures.png(1001), page_size=5, page_token=first.next_page_token)
    bare = SearchRequest(collection=f"collections/{CROWD}", page_size=5, page_token=first.next_page_token)
    without = server.stubs.search.Search(bare)
    assert ids(again) == ids(without)
    assert not set(ids(first)) & set(ids(again))


def test_a_stored_image_of_the_query_is_on_no_page(crowd: Client) -> None:
    found = [each for page in crowd.search_pages(CROWD, "p50", page_size=9) for each in ids(page)]
    assert len(found) == len(set(found)) == SIZE - 1
    assert "p50" not in found


def test_page_sizes_have_a_default_and_a_limit(crowd: Client) -> None:
    assert len(crowd.search(CROWD, "p1").matches) == 10
    assert len(crowd.search(CROWD, "p1", page_size=0).matches) == 10
    most = crowd.search(CROWD, "p1", page_size=100_000)
    assert len(most.matches) == 100
    assert most.next_page_token
    with refused("FIELD_INVALID", "page_size"):
        crowd.search(CROWD, "p1", page_size=-1)


def test_a_token_belongs_to_its_arguments(crowd: Client) -> None:
    query = pictures.png(1002)
    token = crowd.search(CROWD, query, page_size=5).next_page_token
    others: list[Callable[[], object]] = [
        lambda: crowd.search(CROWD, pictures.png(1003), page_token=token),
        lambda: crowd.search(CROWD, Part(query, 2), page_token=token),
        lambda: crowd.search(CROWD, query, page_token=token, min_score=0.1),
        lambda: crowd.search(CROWD, query, page_token=token, exclude=["p1"]),
        lambda: crowd.search(CROWD, query, page_token=token, include_query_images=True),
    ]
    for other in others:
        with refused("PAGE_TOKEN_INVALID"):
            other()


def test_a_token_of_another_collection_is_refused(crowd: Client, collection: str) -> None:
    token = crowd.search(CROWD, pictures.png(1002), page_size=5).next_page_token
    with refused("PAGE_TOKEN_INVALID"):
        crowd.search(collection, pictures.png(1002), page_token=token)


def test_a_tampered_token_is_refused(crowd: Client) -> None:
    token = crowd.search(CROWD, "p1", page_size=5).next_page_token
    sealed = base64.urlsafe_b64decode(token + "==")
    forged = [
        base64.urlsafe_b64encode(sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]).decode()
        for at in range(0, len(sealed), len(sealed) // 40)
    ]
    for text in [*forged, "x", "AAAA", token[:40], token[:-4], "ä", "!" * 50]:
        with refused("PAGE_TOKEN_INVALID"):
            crowd.search(CROWD, "p1", page_token=text)


def test_a_token_of_a_deleted_collection_has_expired(client: Client, collection: str) -> None:
    fill(client, collection, range(8))
    token = client.search(collection, pictures.png(1), page_size=3).next_page_token
    client.collections.delete(collection, force=True)
    with refused("COLLECTION_NOT_FOUND"):
        client.search(collection, pictures.png(1), page_token=token)
    client.collections.create(collection)
    fill(client, collection, range(8))
    with refused("PAGE_TOKEN_EXPIRED"):
        client.search(collection, pictures.png(1), page_token=token)


def test_pages_stay_right_while_images_come_and_go(client: Client, collection: str) -> None:
    fill(client, collection, range(30))
    query = pictures.png(1004)
    order = [each for page in client.search_pages(collection, query, page_size=100) for each in ids(page)]
    first = client.search(collection, query, page_size=6)
    for gone in (order[2], order[5], order[6], order[20]):  # order[5] is where the next page begins
        client.images.delete(gone, collection=collection)
    client.images.upload(collection, query, image_id="best")  # belongs before the place
    shown, token = ids(first), first.next_page_token
    while token:
        page = client.search(collection, query, page_size=6, page_token=token)
        shown, token = shown + ids(page), page.next_page_token
    assert shown == order[:6] + [each for each in order[6:] if each not in (order[6], order[20])]

"""Filters, orders, counts and facets, as clients ask for them."""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from soutu.client import Client, Upload
from soutu.v1.attribute_pb2 import Attribute, AttributeType, AttributeValue
from soutu.v1.collection_pb2 import Collection
from soutu.v1.collection_service_pb2 import CreateCollectionRequest, UpdateCollectionRequest
from soutu.v1.image_pb2 import Image
from soutu.v1.image_service_pb2 import (
    CountImagesRequest,
    FacetImagesRequest,
    ListImagesRequest,
    UpdateImageRequest,
)
from soutu.v1.search_pb2 import SearchParameters, SearchRequest
from tests.flows import pictures
from tests.flows.cli import soutu
from tests.flows.refusals import refusal_of
from tests.flows.served import Served

SHELF = "shelf"
NAME = f"collections/{SHELF}"
INVALID = "INVALID_ARGUMENT"
HUGE = ("(" * 5_000, "x" * 1_000_000, "title = '\0'")
SIZE = 60
COLOURS = ("red", "Red", "grün", "")


def described(number: int) -> Image:
    """What is said of image number so-and-so."""
    attributes = {"price": AttributeValue(number_value=number / 8)}
    if number % 3 == 0:
        attributes["batch"] = AttributeValue(integer_value=2**53 + number)
    return Image(
        title=f"Picture {number}",
        category=COLOURS[number % 4],
        rating=number % 6,
        tags=["all", f"mod{number % 5}"],
        attributes=attributes,
    )


@pytest.fixture(scope="module")
def shelf(server: Served) -> Iterator[Client]:
    """The client of a server whose collection "shelf" holds SIZE described images, p0, p1, ..."""
    schema = {
        "price": Attribute(type=AttributeType.ATTRIBUTE_TYPE_NUMBER),
        "batch": Attribute(type=AttributeType.ATTRIBUTE_TYPE_INTEGER),
    }
    server.stubs.collections.CreateCollection(
        CreateCollectionRequest(collection_id=SHELF, collection=Collection(attributes=schema))
    )
    for number in range(SIZE):
        image = described(number)
        server.client.images.upload(
            SHELF,
            pictures.png(number, 48, 36),
            image_id=f"p{number}",
            title=image.title,
            category=image.category,
            rating=image.rating,
            tags=list(image.tags),
            attributes=dict(image.attributes),
        )
    yield server.client
    server.client.collections.delete(SHELF, force=True)


def searched(client: Client, filter_: str, size: int = 100) -> list[str]:
    answer = client.search(SHELF, pictures.png(1_000), filter=filter_, page_size=size)
    return [match.name.rpartition("/")[2] for match in answer.matches]


def listed(client: Client, filter_: str = "", order_by: str = "") -> list[str]:
    images = client.images.list(SHELF, filter=filter_, order_by=order_by)
    return [image.name.rpartition("/")[2] for image in images]


def numbers(names: Sequence[str]) -> set[int]:
    return {int(name[1:]) for name in names}


FILTERS = {
    "category = red": {n for n in range(SIZE) if n % 4 == 0},
    'category = ""': {n for n in range(SIZE) if n % 4 == 3},
    "rating >= 4 AND tags:mod2": {n for n in range(SIZE) if n % 6 >= 4 and n % 5 == 2},
    "rating = 1 OR rating = 2 AND -tags:mod1": {n for n in range(SIZE) if n % 6 in (1, 2) and n % 5 != 1},
    "attributes.price < 0.5": {0, 1, 2, 3},
    f"attributes.batch = {2**53 + 3}": {3},
    f"attributes.batch > {2**53 + 3} AND attributes.batch < {2**53 + 12}": {6, 9},
    "-attributes.batch:*": {n for n in range(SIZE) if n % 3},
    'title:"ture 1"': {1, *range(10, 20)},
    "name = p5*": {5, *range(50, 60)},
    f"name = collections/{SHELF}/*": set(range(SIZE)),
    f"name = collections/{SHELF}/images/p5*": {5, *range(50, 60)},
    f"name:collections/{SHELF}/images/p5": {5, *range(50, 60)},
    "content.width = 48 content.media_type = image/png": set(range(SIZE)),
    "content.width > 48": set(),
    'title = "\'; DROP TABLE images; --"': set(),
    'title = "x\\" OR title:*"': set(),
    "create_time > 2020-01-01T00:00:00+14:00": set(range(SIZE)),
    "": set(range(SIZE)),
}


@pytest.mark.parametrize("filter_", FILTERS)
def test_search_list_and_count_agree_on_a_filter(shelf: Client, filter_: str) -> None:
    wanted = FILTERS[filter_]
    assert numbers(searched(shelf, filter_)) == wanted
    assert numbers(listed(shelf, filter_)) == wanted
    assert shelf.images.count(SHELF, filter=filter_) == len(wanted)


def test_an_exact_search_finds_the_same(shelf: Client) -> None:
    usual = shelf.search(SHELF, pictures.png(7), filter="rating < 3", page_size=50)
    exact = SearchParameters(exact=True)
    answer = shelf.search(SHELF, pictures.png(7), filter="rating < 3", page_size=50, search_parameters=exact)
    assert [match.name for match in answer.matches] == [match.name for match in usual.matches]
    assert len(answer.matches) == SIZE / 2


def test_pages_of_a_filtered_search_show_each_match_once(shelf: Client) -> None:
    pages = list(
        shelf.search_pages(SHELF, pictures.png(1_000), filter="tags:mod3 OR rating = 0", page_size=4)
    )
    names = [match.name.rpartition("/")[2] for page in pages for match in page.matches]
    assert len(names) == len(set(names))
    assert numbers(names) == {n for n in range(SIZE) if n % 5 == 3 or n % 6 == 0}


def test_a_page_token_belongs_to_its_filter(server: Served, shelf: Client) -> None:
    answer = shelf.search(SHELF, pictures.png(1_000), filter="rating < 3", page_size=4)
    request = SearchRequest(collection=NAME, page_token=answer.next_page_token, page_size=4)
    for filter_ in ("", "rating < 4"):
        request.filter = filter_
        refusal = refusal_of(lambda: server.stubs.search.Search(request))
        assert (refusal.status, refusal.reason) == (INVALID, "PAGE_TOKEN_INVALID")
    request.filter = "rating < 3"
    assert len(server.stubs.search.Search(request).matches) == 4


def test_answers_to_different_filters_are_cached_apart(shelf: Client) -> None:
    assert numbers(searched(shelf, "rating = 5", 3)) != numbers(searched(shelf, "rating = 4", 3))
    assert shelf.search(SHELF, pictures.png(1_000), filter="rating = 5", page_size=3).report.cached


@pytest.mark.parametrize(
    ("order_by", "key"),
    [
        ("rating desc", lambda n: (-(n % 6), f"p{n}")),
        ("category, rating desc", lambda n: (COLOURS[n % 4], -(n % 6), f"p{n}")),
        ("attributes.batch desc, name", lambda n: (n % 3 != 0, -n if n % 3 == 0 else 0, f"p{n}")),
        ("attributes.batch", lambda n: (n % 3 == 0, n if n % 3 == 0 else 0, f"p{n}")),
        ("name desc", lambda n: (*(-ord(character) for character in f"p{n}"), 0)),
        ("", lambda n: f"p{n}"),
    ],
)
def test_a_list_is_ordered_over_all_its_pages(
    shelf: Client, server: Served, order_by: str, key: Callable[[int], Any]
) -> None:
    ids: list[str] = []
    request = ListImagesRequest(parent=NAME, order_by=order_by, page_size=7)
    while True:
        page = server.stubs.images.ListImages(request)
        ids += [image.name.rpartition("/")[2] for image in page.images]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert ids == [f"p{n}" for n in sorted(range(SIZE), key=key)]


def test_a_list_token_belongs_to_its_filter_and_order(server: Served, shelf: Client) -> None:
    asked = ListImagesRequest(parent=NAME, filter="rating < 3", order_by="rating", page_size=5)
    asked.page_token = server.stubs.images.ListImages(asked).next_page_token
    for changed in ({"filter": "rating < 4"}, {"order_by": "rating desc"}, {"filter": "", "order_by": ""}):
        request = ListImagesRequest()
        request.CopyFrom(asked)
        for field, value in changed.items():
            setattr(request, field, value)
        refusal = refusal_of(partial(server.stubs.images.ListImages, request))
        assert (refusal.status, refusal.reason) == (INVALID, "PAGE_TOKEN_INVALID")


def test_facets_count_the_values_of_fields(shelf: Client) -> None:
    fields = ["category", "tags", "rating", "attributes.batch"]
    category, tags, rating, batch = shelf.images.facets(SHELF, fields, filter="rating < 2", limit=3)
    assert category.field == "category"
    assert [(each.value, each.count) for each in category.buckets] == [("Red", 5), ("grün", 5), ("red", 5)]
    assert [(each.value, each.count) for each in tags.buckets] == [("all", 20), ("mod0", 4), ("mod1", 4)]
    assert [(each.value, each.count) for each in rating.buckets] == [("0", 10), ("1", 10)]
    assert [each.count for each in batch.buckets] == [1, 1, 1]


def test_a_bucket_s_value_can_be_asked_for(shelf: Client) -> None:
    for facet in shelf.images.facets(
        SHELF, ["title", "category", "keeping", "create_time", "attributes.price"]
    ):
        for bucket in facet.buckets[:3]:
            assert shelf.images.count(SHELF, filter=f"{facet.field} = {bucket.value}") == bucket.count


@pytest.mark.parametrize("filter_", ["rating", "rating = x", "nope = 1", *HUGE])
def test_a_bad_filter_is_refused_wherever_it_is_given(server: Served, shelf: Client, filter_: str) -> None:
    stubs, picture = server.stubs, pictures.png(1)
    search = SearchRequest(collection=NAME, filter=filter_)
    search.parts.add(image=picture)
    calls: list[Callable[[], object]] = [
        partial(stubs.search.Search, search),
        partial(stubs.images.ListImages, ListImagesRequest(parent=NAME, filter=filter_)),
        partial(stubs.images.CountImages, CountImagesRequest(parent=NAME, filter=filter_)),
        partial(stubs.images.FacetImages, FacetImagesRequest(parent=NAME, filter=filter_, fields=["rating"])),
    ]
    for call in calls:
        refusal = refusal_of(call)
        assert (refusal.status, refusal.reason, refusal.field) == (INVALID, "FILTER_INVALID", "filter")
        assert refusal.message.startswith("filter, column ")


@pytest.mark.parametrize(
    "fields",
    [
        {"fields": []},
        {"fields": ["nope"]},
        {"fields": ["rating", "rating"]},
        {"fields": ["rating"] * 9},
        {"fields": ["rating"], "limit": -1},
        {"fields": ["rating"], "limit": 101},
    ],
)
def test_bad_facets_are_refused(server: Served, shelf: Client, fields: dict[str, Any]) -> None:
    request = FacetImagesRequest(parent=NAME, **fields)
    refusal = refusal_of(lambda: server.stubs.images.FacetImages(request))
    assert (refusal.status, refusal.reason) == (INVALID, "FIELD_INVALID")


def test_a_changed_field_is_found_by_the_next_search(server: Served, shelf: Client) -> None:
    """And an image that no longer satisfies a filter is not shown from the commit of its change on."""
    picture = pictures.png(1_000)
    for round_ in range(5):
        category = f"round {round_}"
        image = Image(name=f"{NAME}/images/p7", category=category)
        request = UpdateImageRequest(image=image)
        request.update_mask.paths.append("category")
        revision = server.stubs.images.UpdateImage(request).receipt.revision
        former = shelf.search(SHELF, picture, filter=f'category = "round {round_ - 1}"')
        assert not former.matches
        answer = shelf.search(SHELF, picture, filter=f'category = "{category}"', min_revision=revision)
        assert [match.name for match in answer.matches] == [f"{NAME}/images/p7"]
    shelf.images.update("p7", collection=SHELF, category=COLOURS[3])


def test_a_schema_grows_on_a_living_collection(server: Served, client: Client) -> None:
    client.collections.create("growing")
    client.images.upload("growing", pictures.png(1), image_id="old")
    kinds = {"place": AttributeType.ATTRIBUTE_TYPE_STRING, "when": AttributeType.ATTRIBUTE_TYPE_TIMESTAMP}
    attributes = {name: Attribute(type=kind) for name, kind in kinds.items()}
    grown = Collection(name="collections/growing", attributes=attributes)
    server.stubs.collections.UpdateCollection(UpdateCollectionRequest(collection=grown))
    place = {"place": AttributeValue(string_value="Zürich")}
    receipt = client.images.upload("growing", pictures.png(2), image_id="new", attributes=place).receipt
    for filter_, wanted in {
        "attributes.place = Zürich": "new",
        "attributes.place:rich": "new",
        "-attributes.place:*": "old",
        "attributes.when:*": None,
    }.items():
        answer = client.search("growing", pictures.png(1), filter=filter_, min_revision=receipt.revision)
        found = [match.name.rpartition("/")[2] for match in answer.matches]
        assert found == ([wanted] if wanted else [])
        assert client.images.count("growing", filter=filter_) == len(found)
    changed = Collection(
        name="collections/growing",
        attributes={"place": Attribute(type=AttributeType.ATTRIBUTE_TYPE_INTEGER)},
    )
    change = partial(server.stubs.collections.UpdateCollection, UpdateCollectionRequest(collection=changed))
    assert refusal_of(change).reason == "FIELD_INVALID"
    client.collections.delete("growing", force=True)


def test_the_command_line_filters(server: Served, shelf: Client, tmp_path: Path) -> None:
    picture = tmp_path / "query.png"
    picture.write_bytes(pictures.png(1_000))
    there = ["--address", server.address]
    answer = soutu(*there, "search", str(picture), "-c", SHELF, "--filter", "name = p1*", "--exact", "--json")
    assert len(json.loads(answer)["matches"]) == 10
    listing = ["images", "list", "-c", SHELF, "-f", "rating > 3", "--order-by", "rating desc", "-n", "3"]
    ids = [line.split()[0] for line in soutu(*there, *listing).splitlines() if "48" in line]
    assert ids == ["p11", "p17", "p23"]
    assert soutu(*there, "images", "count", "-c", SHELF, "--filter", "rating > 3").strip() == "20"
    assert "mod1" in soutu(*there, "images", "facets", "tags", "-c", SHELF)
    assert "column 7" in soutu(*there, "images", "count", "-c", SHELF, "--filter", "rating", ok=False)


def test_many_uploads_are_filtered(client: Client) -> None:
    """A batch upload's fields reach the index as those of single ones do."""
    client.collections.create("batched")
    uploads = [Upload(pictures.png(n, 48, 36), {"image_id": f"b{n}", "rating": n % 6}) for n in range(12)]
    assert [result.status.code for result in client.images.upload_many("batched", uploads)] == [0] * 12
    answer = client.search("batched", pictures.png(3), filter="rating = 5")
    assert {match.name.rpartition("/")[2] for match in answer.matches} == {"b5", "b11"}
    client.collections.delete("batched", force=True)

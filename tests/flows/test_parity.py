"""A service with all its parts in the process and one on the stack are told the same, and answer the same.

The stack is the whole one: Triton with the bundled model, Milvus, MariaDB, Redis, S3. Both vector stores
compare with every vector here; what Milvus finds by an index is held to that.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Unpack

import pytest

from soutu.adapters.vectors.milvus_collection import INDEX
from soutu.client import Boost, Client, Part, Query, SoutuCallError, vector_values
from soutu.client.queries import SearchFields
from soutu.v1.collection_pb2 import INDEX_TYPE_HNSW, INDEX_TYPE_IVF_FLAT, Index, IndexType
from soutu.v1.search_pb2 import Match, SearchParameters
from tests.contract.milvus import TestedMilvus
from tests.flows import pictures
from tests.flows.elsewhere import Places
from tests.flows.models import SECOND
from tests.flows.parity import Pair, names, pair, photos, recall
from tests.flows.parity_writes import BEYOND_FLOATS, BUILD_S, FEW, FLAT, SHELF, SIZE, fill, uploaded
from tests.flows.served import until

pytestmark = [pytest.mark.slow, pytest.mark.placed]

STORED = 1_900  # more than Milvus's adapter compares by itself where a filter leaves most of them
ASKED = 60
LEAST_RECALL = 0.98
MOST = 100
KINDS = {  # of IVF's lists, 16 are searched
    "hnsw": Index(type=INDEX_TYPE_HNSW),
    "ivf": Index(type=INDEX_TYPE_IVF_FLAT, parameters={"nlist": 32}),
}
FILTERS = (
    "category = moved",
    "category != moved AND rating = 2",
    'category = "" OR rating >= 4',
    "rating > 1 AND rating < 4",
    "rating <= 2 AND -tags:mod2",
    "NOT (tags:mod1 OR rating = 0)",
    "-attributes.place:*",
    "attributes.price:* AND attributes.price < 30 AND attributes.price >= 2.5",
    f"attributes.batch > {BEYOND_FLOATS + 600} AND attributes.batch <= {BEYOND_FLOATS + 1300}",
    f"attributes.batch = {BEYOND_FLOATS + 3} OR attributes.batch = {BEYOND_FLOATS + 9}",
    "attributes.sold = true",
    "attributes.sold = false OR attributes.price > 200",
    'attributes.place = "b\\"c"',
    'title:"ture 1"',
    'title = "grün 10"',
    "name = u1* OR name = p12*",
    "content.width > 250 content.height < 400",
    "content.media_type = image/png",
    "create_time > 2020-01-01T00:00:00Z",
    "tags:ALL",
    "rating >= 1",
    'title = "nobody"',
)
ORDERS = ("", "content.size_bytes desc", "title", "rating desc, title")
BAD_FILTERS = ("rating >", "attributes.none = 1", "rating = red", "(" * 40, "title = '\0'")


@dataclass(frozen=True, slots=True)
class World:
    """The services, and pictures that are not stored."""

    pair: Pair
    queries: Sequence[bytes]


@pytest.fixture(scope="module")
def world(whole_stack: Places, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("parity")
    shown = photos(STORED + ASKED)
    with pair(directory, whole_stack) as both:
        fill(both, directory, shown[:STORED])
        yield World(both, [content for _, content in shown[STORED:]])


def asked(where: str, query: Query, **fields: Unpack[SearchFields]) -> Callable[[Client], Sequence[Match]]:
    """A search for as many as there are on a page."""
    fields.setdefault("page_size", MOST)
    return lambda client: client.search(where, query, **fields).matches


def test_pictures_find_the_same(world: World) -> None:
    for number, picture in enumerate(world.queries):
        found = world.pair.alike(asked(SHELF, picture, page_size=[10, 1, 100][number % 3]))
        assert len(found) == [10, 1, 100][number % 3]
    for number in (0, 1, 2, 8):
        found = world.pair.alike(asked(SHELF, pictures.png(number, *SIZE)))
        assert names(found)[:2] == [f"u{number}", f"t{number}"], "equal ones come oldest first"


def test_stored_images_and_vectors_find_the_same(world: World) -> None:
    for image in ("u1", "p40", "p1800", "t5", "u9"):
        shown = world.pair.alike(asked(SHELF, image, include_query_images=True))
        assert image in names(shown)[:2]
        assert image not in names(world.pair.alike(asked(SHELF, image, exclude=["u2", "p41"])))
    for picture in world.queries[:5]:
        vector = vector_values(world.pair.embedded.embed(SHELF, [picture]).vectors[0])
        world.pair.alike(asked(SHELF, vector))
        world.pair.alike(asked(SHELF, -1e3 * vector))


def test_embeddings_are_the_same(world: World) -> None:
    ours, theirs = (
        client.embed(SHELF, [*world.queries[:8], "p7", "u9"]).vectors
        for client in (world.pair.embedded, world.pair.on_stack)
    )
    for one, other in zip(ours, theirs, strict=True):
        assert vector_values(one) == pytest.approx(vector_values(other), abs=1e-3)


@pytest.mark.parametrize("weights", [(1.0, 1.0), (2.0, -0.5), (-1.0, -1.0)])
def test_weighted_parts_find_the_same(world: World, weights: tuple[float, float]) -> None:
    for picture in world.queries[:4]:
        whole = [Part(picture, weights[0]), Part("p11", weights[1])]
        world.pair.alike(asked(SHELF, whole))
        region = [Part(picture, weights[0], (0.1, 0.2, 0.8, 0.9)), Part("u1", weights[1])]
        world.pair.alike(asked(SHELF, region, min_score=0.1))


@pytest.mark.parametrize("filter_", FILTERS)
def test_filters_find_the_same(world: World, filter_: str) -> None:
    for picture in world.queries[:3]:
        found = world.pair.alike(asked(SHELF, picture, filter=filter_))
        world.pair.alike(asked(SHELF, picture, filter=filter_, page_size=7, min_score=0.5))
    counted = world.pair.told(lambda client: client.images.count(SHELF, filter=filter_))
    assert len(found) == min(counted, MOST)
    assert len(world.pair.told(partial(listed, filter_=filter_))) == counted


@pytest.mark.parametrize("amounts", [(0.25, -0.125), (-0.5, 1.0), (1e-3, 0.0)])
def test_boosts_rank_the_same(world: World, amounts: tuple[float, float]) -> None:
    boosts = [
        Boost(filter=filter_, amount=amount)
        for filter_, amount in zip(("rating >= 3", "tags:mod3"), amounts, strict=True)
    ]
    for picture in world.queries[:3]:
        world.pair.alike(asked(SHELF, picture, boosts=boosts, filter="rating >= 1"))
    found = world.pair.alike(partial(paged, query=world.queries[3], boosts=boosts, page_size=MOST))
    assert len({match.name for match in found}) == len(found) > MOST


def listed(client: Client, filter_: str = "", order_by: str = "") -> list[str]:
    return [image.name for image in client.images.list(SHELF, filter=filter_, order_by=order_by)]


def test_mistakes_are_told_alike(world: World) -> None:
    for filter_ in BAD_FILTERS:
        refusal = world.pair.told(partial(reason, asked(SHELF, "p1", filter=filter_)))
        assert refusal == "INVALID_ARGUMENT FILTER_INVALID"
    for query in ("nobody", b"no picture", [1.0, 2.0]):
        refusal = world.pair.told(partial(reason, asked(SHELF, query)))
        assert refusal.partition(" ")[0] in ("NOT_FOUND", "INVALID_ARGUMENT")


def reason(ask: Callable[[Client], object], client: Client) -> str:
    """How the call is refused."""
    with pytest.raises(SoutuCallError) as refused:
        ask(client)
    return f"{refused.value.status} {refused.value.reason}"


def test_pages_go_on_alike(world: World) -> None:
    for filter_, bound in (("", -1.0), ("rating >= 1", 0.3), ("tags:mod3", -1.0)):
        found = world.pair.alike(
            partial(paged, query=world.queries[0], filter=filter_, min_score=bound, page_size=37)
        )
        assert len({match.name for match in found}) == len(found) > 37


def paged(client: Client, query: Query, **fields: Unpack[SearchFields]) -> Sequence[Match]:
    """All matches, page after page."""
    pages = client.search_pages(SHELF, query, **fields)
    return [match for page in pages for match in page.matches]


def test_bounds_cut_off_the_same(world: World) -> None:
    whole = world.pair.embedded.search(SHELF, world.queries[0], page_size=MOST).matches
    for place in (1, 10, 50):
        bound = (whole[place - 1].score + whole[place].score) / 2
        if whole[place - 1].score - whole[place].score > 1e-3:
            assert len(world.pair.alike(asked(SHELF, world.queries[0], min_score=bound))) == place
    assert not world.pair.alike(asked(SHELF, world.queries[0], min_score=0.999))


@pytest.mark.parametrize("order", ORDERS)
def test_lists_are_the_same(world: World, order: str) -> None:
    assert len(world.pair.told(partial(listed, order_by=order))) > STORED


def test_facets_are_the_same(world: World) -> None:
    facets = world.pair.told(
        lambda client: list(client.images.facets(SHELF, ["rating", "category", "tags"], limit=20))
    )
    assert len(facets) == 3


def test_what_was_written_is_found_by_its_revision(world: World) -> None:
    for number in range(200, 206):

        def written(client: Client, number: int = number) -> Sequence[Match]:
            answer = client.images.upload(FEW, pictures.png(number, *SIZE), image_id=f"n{number}")
            revision = answer.receipt.revision
            found = client.search(FEW, f"n{number}", include_query_images=True, min_revision=revision)
            return found.matches

        assert names(world.pair.alike(written))[0] == f"n{number}"
    for number in range(200, 203):

        def deleted(client: Client, number: int = number) -> Sequence[Match]:
            revision = client.images.delete(f"n{number}", collection=FEW).receipt.revision
            return client.search(FEW, pictures.png(number, *SIZE), min_revision=revision).matches

        assert f"n{number}" not in names(world.pair.alike(deleted))


def test_another_model_is_published_and_left_again(world: World) -> None:
    both = world.pair
    both.told(
        lambda client: client.generations.create(FEW, "second", model=SECOND, index=FLAT).wait(BUILD_S).model
    )
    former = [names(both.alike(asked(FEW, picture))) for picture in world.queries[:5]]
    published = both.told(lambda client: client.generations.publish("second", FEW).model)
    assert published == SECOND
    assert both.told(partial(uploaded, name=FEW, number=300))[1]
    latter = [names(both.alike(asked(FEW, picture))) for picture in world.queries[:5]]
    assert former != latter
    for picture in world.queries[:5]:
        both.alike(asked(f"collections/{FEW}/generations/g1", picture))
    both.told(lambda client: client.generations.roll_back(FEW).model)
    assert "u300" in names(both.alike(asked(FEW, pictures.png(300, *SIZE))))


@pytest.mark.parametrize("kind", KINDS)
def test_an_index_of_milvus_finds_nearly_all(world: World, milvus: TestedMilvus, kind: str) -> None:
    client = world.pair.on_stack
    generation = client.generations.create(SHELF, kind, index=KINDS[kind]).wait(BUILD_S)
    until(lambda: is_built(milvus, f"{world.pair.prefix}_{generation.uid}", KINDS[kind].type), BUILD_S)
    for filter_, exact in (("", False), ("category != moved", False), ("tags:mod1", True)):
        found, true = (
            [top_ten(client, generation.name, each, filter_, exact=way) for each in world.queries]
            for way in (False, True)
        )
        share = recall(found, true)
        print(f"{kind} {filter_!r}: recall@10 {share:.4f}")
        assert share >= (1.0 if exact else LEAST_RECALL)
    client.generations.delete(generation.name)


def top_ten(client: Client, where: str, query: bytes, filter_: str, *, exact: bool) -> list[str]:
    """The best ten, made anew."""
    how = SearchParameters(exact=exact)
    return names(client.search(where, query, filter=filter_, search_parameters=how, skip_cache=True).matches)


def is_built(milvus: TestedMilvus, name: str, kind: IndexType.ValueType) -> bool:
    """Whether Milvus searches all but its newest points of the collection by an index of that kind."""
    client = milvus.client()
    try:
        told = client.describe_index(name, INDEX)
    finally:
        client.close()
    assert f"INDEX_TYPE_{told['index_type']}" == IndexType.Name(kind)
    return int(told["indexed_rows"]) >= STORED - 100 and not int(told["pending_index_rows"])

"""Boosts: the order is that of score plus boosts over the whole collection, whatever the index narrows to."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soutu.adapters.catalog import SqlCatalog
from soutu.adapters.vectors.exact import ExactIndex
from soutu.domain.collection import Collection
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.fields import fields_of
from soutu.domain.filter import Filter
from soutu.domain.image import Image, Metadata
from soutu.domain.query import Answer, Boost, Part, Query, StoredImage
from soutu.filters.evaluate import accepts
from soutu.filters.parse import parse_filter
from soutu.search.boosts import NOTHING_LEFT, Boosts, parse_boosts, score_of
from soutu.search.search import Searches
from tests.contract.catalog_fixtures import DRAFT, MODEL, opened, put
from tests.unit.ingest.fakes import COLLECTION
from tests.unit.search.test_filtered import SIZE, CaughtUp, LooseIndex, along, story

FILTERS = (
    "rating = 5",
    "rating >= 3",
    "NOT rating = 0",
    'title:"7."',
    "tags:rare",
    "tags:rare AND rating = 2",
    "category = none",
    "name:*",
)
AMOUNTS = st.sampled_from([-1.0, -0.25, -1e-3, 0.0, 1e-3, 0.1, 0.25, 1.0])
BOOSTS = st.lists(st.builds(Boost, st.sampled_from(FILTERS), AMOUNTS), max_size=4).map(tuple)


@dataclass(frozen=True, slots=True)
class World:
    """Three hundred images, ever less like i0, in a catalogue and in indexes; each loop is the same."""

    runner: asyncio.Runner
    catalog: SqlCatalog
    collection: Collection
    images: Sequence[Image]
    stories: Mapping[str, Searches]

    def answer(self, kind: str, query: Query) -> Answer:
        return self.runner.run(self.stories[kind].search(query))

    def filter(self, text: str) -> Filter | None:
        return parse_filter(text, self.collection)

    def best(self, query: Query) -> list[tuple[str, float]]:
        """What a look at every image finds."""
        wanted = self.filter(query.filter)
        boosts = parse_boosts(query.boosts, self.collection)
        middle = along(0).astype(np.float64)
        scored = [
            (-score_of(float(middle @ along(int(image.id[1:]))), boosts.of(image)), image.uid, image.id)
            for image in self.images
            if wanted is None or accepts(wanted, fields_of(image))
        ]
        floor = -np.inf if query.score_floor is None else query.score_floor
        return [(name, -score) for score, _, name in sorted(scored) if -score >= floor]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with asyncio.Runner() as runner:
        world = runner.run(made(runner, tmp_path_factory.mktemp("boosts")))
        yield world
        runner.run(world.catalog.close())


async def made(runner: asyncio.Runner, place: Path) -> World:
    catalog = await opened(place)
    uid = (await catalog.create_collection(DRAFT)).uid
    puts = [
        put(
            f"i{number}",
            embeddings={MODEL: along(number)},
            metadata=Metadata(
                title=f"number {number}.", rating=number % 6, tags=("rare",) if number % 97 == 50 else ()
            ),
        )
        for number in range(SIZE)
    ]
    await catalog.commit(uid, puts)
    stories = {
        "exact": await story(catalog, ExactIndex(), CaughtUp(), 10_000),
        "loose": await story(catalog, LooseIndex(), CaughtUp(), 10_000),
        "loose, unnamed": await story(catalog, LooseIndex(), CaughtUp(), 5),
    }
    collection = (await catalog.head("pictures")).collection
    images = await catalog.list_images(uid, "", 1_000)
    return World(runner, catalog, collection, images, stories)


KINDS = ("exact", "loose", "loose, unnamed")


def asking(boosts: Sequence[Boost], page_size: int = 10) -> Query:
    stored = (Part(StoredImage("i0")),)
    return Query("pictures", stored, page_size, include_query_images=True, boosts=tuple(boosts))


def shown(answer: Answer) -> list[tuple[str, float]]:
    return [(match.image_id, match.score) for match in answer.matches]


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_is_that_of_score_and_boosts(world: World, kind: str) -> None:
    @settings(deadline=None, max_examples=60)
    @given(
        BOOSTS, st.sampled_from(["", "rating >= 4", "tags:rare"]), st.sampled_from([None, -0.5, 0.9, 0.999])
    )
    def holds(boosts: tuple[Boost, ...], filter_: str, floor: float | None) -> None:
        query = replace(asking(boosts), filter=filter_, score_floor=floor)
        answer = world.answer(kind, query)
        best = world.best(query)
        assert [name for name, _ in shown(answer)] == [name for name, _ in best[:10]]
        assert [score for _, score in shown(answer)] == pytest.approx([score for _, score in best[:10]])
        assert bool(answer.next_page_token) == (len(best) > 10)
        assert not answer.degraded

    holds()


@pytest.mark.parametrize("kind", KINDS)
def test_pages_make_the_whole(world: World, kind: str) -> None:
    @settings(deadline=None, max_examples=12)
    @given(BOOSTS, st.sampled_from([7, 40]))
    def holds(boosts: tuple[Boost, ...], page_size: int) -> None:
        query, names = asking(boosts, page_size), []
        while True:
            answer = world.answer(kind, query)
            names += [match.image_id for match in answer.matches]
            if not answer.next_page_token:
                break
            query = replace(query, page_token=answer.next_page_token)
        assert names == [name for name, _ in world.best(query)]

    holds()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("filter_", FILTERS)
def test_boosts_of_no_weight_change_nothing(world: World, kind: str, filter_: str) -> None:
    plain, boosted = world.answer(kind, asking(())), world.answer(kind, asking([Boost(filter_, 0.0)] * 3))
    assert shown(boosted) == shown(plain)
    assert [match.stage_scores for match in boosted.matches] == [each.stage_scores for each in plain.matches]


def test_a_boost_brings_up_what_is_far_away(world: World) -> None:
    weak = world.answer("exact", asking([Boost('name = "i299"', 0.25)]))
    assert [match.image_id for match in weak.matches] == [f"i{number}" for number in range(10)]
    stronger = world.answer("exact", asking([Boost('name = "i299"', 0.75)])).matches[0]
    assert stronger.image_id == "i299"
    assert stronger.boost == 0.75
    assert stronger.score == score_of(stronger.stage_scores["nearest"], 0.75)
    assert stronger.stage_scores["boost"] == 0.75


def test_an_image_that_several_accept_gets_the_sum(world: World) -> None:
    boosts = [Boost('name = "i250"', 0.5), Boost("rating >= 0", 0.25), Boost('title:"250."', 0.125)]
    first = world.answer("exact", asking(boosts)).matches[0]
    assert (first.image_id, first.boost) == ("i250", 0.875)


def test_a_lowered_image_makes_way(world: World) -> None:
    names = [name for name, _ in shown(world.answer("exact", asking([Boost("NOT rating = 5", -1.0)], 3)))]
    assert names == ["i5", "i11", "i17"]


def test_few_candidates_are_looked_at_for_one_boost(world: World) -> None:
    index = LooseIndex()
    searches = world.runner.run(story(world.catalog, index, CaughtUp(), 10_000))
    world.runner.run(searches.search(asking([Boost("tags:rare", 0.01)], 2)))
    assert len(index.scopes) == 2
    assert index.scopes[0].uids is None
    assert index.scopes[1].uids == frozenset(
        image.uid for image in world.images if "rare" in image.metadata.tags
    )


def test_where_too_many_would_have_to_be_looked_at_the_answer_says_so(world: World) -> None:
    searches = world.runner.run(story(world.catalog, LooseIndex(), CaughtUp(), 0))
    searches._deepest = 32
    answer = world.runner.run(searches.search(asking([Boost('name = "i299"', 0.75)])))
    assert [(each.part, each.reason) for each in answer.degraded] == [("boosts", "BOOSTS_TRUNCATED")]
    assert [match.image_id for match in answer.matches] == [f"i{number}" for number in range(10)]
    searches._deepest = 2 * SIZE
    whole = world.runner.run(searches.search(asking([Boost('name = "i299"', 0.75)])))
    assert not whole.degraded
    assert whole.matches[0].image_id == "i299"


def test_a_page_token_belongs_to_its_boosts(world: World) -> None:
    query = asking([Boost("tags:rare", 0.5)])
    token = world.answer("exact", query).next_page_token
    for boosts in ((), (Boost("tags:rare", 0.25),), (Boost("rating = 5", 0.5),), query.boosts * 2):
        with pytest.raises(SoutuError) as refused:
            world.answer("exact", replace(query, boosts=boosts, page_token=token))
        assert refused.value.reason is Reason.PAGE_TOKEN_INVALID
    assert world.answer("exact", replace(query, page_token=token)).matches


@pytest.mark.parametrize(
    ("boosts", "reason", "told"),
    [
        ([Boost("", 1.0)], "FIELD_INVALID", {"field": "boosts[0].filter"}),
        ([Boost("rating = 1", 0.0), Boost(" \n", 1.0)], "FIELD_INVALID", {"field": "boosts[1].filter"}),
        ([Boost("rating = = 1", 1.0)], "FILTER_INVALID", {"field": "boosts[0].filter", "column": "10"}),
        ([Boost("wings = 1", 0.0)], "FILTER_INVALID", {"field": "boosts[0].filter", "column": "1"}),
        ([Boost(" AND ".join(["rating = 1"] * 65), 1.0)] * 2, "FIELD_INVALID", {"field": "boosts"}),
        ([Boost(" AND ".join(["rating = 1"] * 129), 1.0)], "FILTER_INVALID", {"field": "boosts[0].filter"}),
    ],
)
def test_bad_boosts_are_refused(world: World, boosts: list[Boost], reason: str, told: dict[str, str]) -> None:
    with pytest.raises(SoutuError) as refused:
        world.answer("exact", asking(boosts))
    assert refused.value.reason.name == reason
    assert {**refused.value.metadata, **told} == refused.value.metadata
    assert refused.value.message.startswith(told["field"])


REACHES = st.sampled_from([NOTHING_LEFT, -0.5, 0.0, 0.25, 0.5, 1.0])


@given(REACHES, st.lists(st.tuples(REACHES, AMOUNTS.filter(bool)), min_size=1, max_size=4))
def test_a_ceiling_is_the_least_that_holds(reached: float, terms: list[tuple[float, float]]) -> None:
    """Held against every set of boosts that an unseen image may satisfy."""
    ends, amounts = [end for end, _ in terms], [amount for _, amount in terms]
    accepted = parse_filter("rating = 1", COLLECTION)
    assert accepted
    boosts = Boosts(tuple((accepted, amount) for amount in amounts))
    places = range(len(terms))
    least = sum(min(amount, 0) for amount in amounts)
    possible = [
        min([reached, *(ends[place] for place in chosen)])
        + least
        + sum(abs(amounts[place]) for place in chosen)
        for count in range(len(terms) + 1)
        for chosen in combinations(places, count)
    ]
    assert boosts.ceiling(reached, ends) == pytest.approx(max(possible), abs=1e-6)

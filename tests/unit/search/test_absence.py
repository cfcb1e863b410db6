"""Searches while the catalogue is away: names and scores for a while, and what cannot be told is refused."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from soutu.adapters.vectors.exact import ExactIndex
from soutu.domain.collection import Head, IndexSpec
from soutu.domain.embedding import rounded
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.query import Answer, Boost, Degradation, GivenVector, Joined, Part, Point, Query
from soutu.domain.revision import revision_text
from soutu.ports import Catalog, ModelStore
from soutu.search.absence import Absence
from soutu.search.embedding import QueryEmbedder
from soutu.search.pages import PageTokens
from soutu.search.search import Searches
from tests.contract.catalog_fixtures import MODEL, MovableClock
from tests.unit.ingest.fakes import COLLECTION, DIMENSION, generation, image
from tests.unit.search.test_filtered import CaughtUp

LONGEST_S = 30.0
SIZE = 6
QUERY = Query("c", (Part(GivenVector(rounded(np.eye(DIMENSION, dtype=np.float32)[0]))),), 3)


class Away:
    """A catalogue of a few images that can be away."""

    def __init__(self) -> None:
        self.away = False

    async def head(self, collection_id: str, generation_id: str = "") -> Head:
        self._answer()
        return Head(replace(COLLECTION, revision=SIZE), replace(generation(), model=MODEL))

    recent_head = head

    def tells_ahead(self) -> bool:
        return False

    async def joined(self, head: Head, uids: Sequence[int], told: Joined | None = None) -> Joined:
        self._answer()
        return Joined({uid: image(uid, uid) for uid in uids}, SIZE, holds=True)

    def _answer(self) -> None:
        if self.away:
            raise SoutuError(Reason.CATALOG_UNAVAILABLE)


class Cards:
    """A model store whose models have all the same dimension."""

    dimension = DIMENSION

    def card(self, model: str) -> "Cards":
        return self


class NamelessIndex(ExactIndex):
    """One that keeps no names."""

    async def names(self, generation: int, uids: Sequence[int]) -> dict[int, str]:
        return {}


async def story(catalog: Away, clock: MovableClock, index: ExactIndex) -> Searches:
    vectors = np.eye(SIZE, DIMENSION, dtype=np.float32) + 0.5
    points = [Point(uid, uid, rounded(vectors[uid - 1]), {"name": f"i{uid}"}) for uid in range(1, SIZE + 1)]
    await index.open(1, DIMENSION, IndexSpec())
    await index.write(1, points, [])
    real, nothing = cast(Catalog, catalog), cast(Any, None)
    embedder = QueryEmbedder(nothing, cast(ModelStore, Cards()), nothing, real, nothing, nothing)
    return Searches(real, index, CaughtUp(), embedder, PageTokens(b"key"), Absence(real, clock, LONGEST_S))


async def refused(searches: Searches, query: Query) -> Reason:
    with pytest.raises(SoutuError) as failure:
        await searches.search(query)
    return failure.value.reason


def told(answer: Answer) -> list[tuple[str, float]]:
    return [(match.image_id, match.score) for match in answer.matches]


async def test_names_and_scores_are_told_for_a_while() -> None:
    catalog, clock = Away(), MovableClock()
    searches = await story(catalog, clock, ExactIndex())
    whole = await searches.search(QUERY)
    assert (whole.degraded, bool(whole.matches[0].image)) == ((), True)
    catalog.away = True
    clock.move(LONGEST_S - 1)
    bare = await searches.search(QUERY)
    assert bare.degraded == (Degradation("catalog", "CATALOG_UNAVAILABLE"),)
    assert (told(bare), bare.matches[0].image) == (told(whole), None)
    clock.move(1)
    assert await refused(searches, QUERY) is Reason.CATALOG_UNAVAILABLE
    catalog.away = False
    assert (await searches.search(QUERY)).degraded == ()


async def test_pages_go_on_meanwhile() -> None:
    catalog = Away()
    searches = await story(catalog, MovableClock(), ExactIndex())
    first = await searches.search(QUERY)
    catalog.away = True
    second = await searches.search(replace(QUERY, page_token=first.next_page_token))
    assert second.degraded
    assert not {match.uid for match in second.matches} & {match.uid for match in first.matches}


@pytest.mark.parametrize(
    "query",
    [
        pytest.param(replace(QUERY, collection_id="other"), id="a collection never seen"),
        pytest.param(replace(QUERY, filter="rating = 5"), id="a filter that only rows decide"),
        pytest.param(replace(QUERY, boosts=(Boost("rating = 5", 0.5),)), id="a boost that only rows decide"),
        pytest.param(
            replace(QUERY, min_revision=revision_text(COLLECTION.uid, SIZE + 1)), id="a later revision"
        ),
    ],
)
async def test_what_cannot_be_told_is_refused(query: Query) -> None:
    catalog = Away()
    searches = await story(catalog, MovableClock(), ExactIndex())
    await searches.search(QUERY)
    catalog.away = True
    assert await refused(searches, query) is Reason.CATALOG_UNAVAILABLE


async def test_nothing_is_told_that_was_never_read_or_named(tmp_path: Path) -> None:
    catalog = Away()
    unread = await story(catalog, MovableClock(), ExactIndex())
    nameless = await story(catalog, MovableClock(), NamelessIndex())
    await nameless.search(QUERY)
    catalog.away = True
    assert await refused(unread, QUERY) is Reason.CATALOG_UNAVAILABLE
    assert await refused(nameless, QUERY) is Reason.CATALOG_UNAVAILABLE

"""The story of a filtered search, on an index that can and on one that cannot narrow itself down."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import pytest_asyncio

from soutu.adapters.catalog import SqlCatalog
from soutu.adapters.vectors.exact import ExactIndex
from soutu.domain.collection import Generation, IndexSpec
from soutu.domain.embedding import Vector, Vectors, rounded
from soutu.domain.fields import fields_of
from soutu.domain.filter import Filter
from soutu.domain.image import Metadata
from soutu.domain.query import EVERYTHING, Candidate, Part, Point, Query, Scope, StoredImage
from soutu.domain.writing import Revise
from soutu.search.absence import Absence
from soutu.search.embedding import QueryEmbedder
from soutu.search.pages import PageTokens
from soutu.search.search import Searches
from tests.contract.catalog_fixtures import DRAFT, MODEL, MovableClock, opened, put

SIZE = 300


class LooseIndex(ExactIndex):
    """Looks at every point whatever the filter, as a port may; keeps the scopes that it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.scopes: list[Scope] = []

    async def nearest(
        self,
        generation: int,
        vectors: Vectors,
        limit: int,
        *,
        candidates: int = 0,
        scope: Scope = EVERYTHING,
        revision: int = 0,
    ) -> Sequence[Sequence[Candidate]]:
        self.scopes.append(scope)
        looser = replace(scope, filter=None)
        return await super().nearest(generation, vectors, limit, candidates=candidates, scope=looser)

    def narrows(self, filter_: Filter) -> bool:
        return False


class CaughtUp:
    """A Following whose index has everything, and the points that were found to be stale."""

    def __init__(self) -> None:
        self.suspects: list[int] = []

    def check_ready(self, generation: Generation) -> None:
        pass

    def followed(self, generation: Generation) -> int:
        return SIZE

    async def reached(self, generation: Generation, revision: int, timeout_s: float) -> bool:
        return True

    def suspect(self, generation: Generation, uids: Sequence[int]) -> None:
        self.suspects += uids


def along(number: int) -> Vector:
    """Vectors that are the less like that of number 0 the higher their number."""
    angle = number / SIZE
    return rounded(np.array([np.cos(angle), np.sin(angle), 0, 0], np.float32))


@pytest_asyncio.fixture
async def catalog(tmp_path: Path) -> AsyncIterator[SqlCatalog]:
    """Holds i0, i1, ..., whose rating is 5 for the last alone; titles tell the number."""
    catalog = await opened(tmp_path)
    collection = await catalog.create_collection(DRAFT)
    puts = [
        put(
            f"i{number}",
            embeddings={MODEL: along(number)},
            metadata=Metadata(title=f"number {number}.", rating=5 if number == SIZE - 1 else number % 5),
        )
        for number in range(SIZE)
    ]
    await catalog.commit(collection.uid, puts)
    yield catalog
    await catalog.close()


async def story(catalog: SqlCatalog, index: ExactIndex, following: CaughtUp, few: int) -> Searches:
    head = await catalog.head("pictures")
    images = await catalog.list_images(head.collection.uid, "", 1_000)
    points = [
        Point(image.uid, image.revision, along(int(image.id[1:])), fields_of(image)) for image in images
    ]
    await index.open(head.generation.uid, 4, IndexSpec())
    await index.write(head.generation.uid, points, [])
    nothing: Any = cast(Any, None)  # a stored image is embedded without them
    embedder = QueryEmbedder(nothing, nothing, nothing, catalog, nothing, nothing)
    absence = Absence(catalog, MovableClock(), 30.0)
    return Searches(catalog, index, following, embedder, PageTokens(b"key"), absence, few)


async def found(searches: Searches, filter_: str, page_size: int = 10) -> list[str]:
    query = Query(
        "pictures", (Part(StoredImage("i0")),), page_size, include_query_images=True, filter=filter_
    )
    return [match.image_id for match in (await searches.search(query)).matches]


@pytest.mark.parametrize("few", [0, 10, 10_000])
@pytest.mark.parametrize("make", [ExactIndex, LooseIndex])
@pytest.mark.parametrize(
    ("filter_", "numbers"),
    [
        ("rating = 5", [SIZE - 1]),
        ("rating >= 4", [n for n in range(SIZE - 1) if n % 5 == 4][:10]),
        ('title:"7."', list(range(7, 107, 10))),
        ('title = "number 299."', [299]),
        ("rating = 5 AND title:7", []),
        ("", list(range(10))),
    ],
)
async def test_a_page_is_full_where_there_are_matches(
    catalog: SqlCatalog, make: type[ExactIndex], few: int, filter_: str, numbers: list[int]
) -> None:
    searches = await story(catalog, make(), CaughtUp(), few)
    assert await found(searches, filter_) == [f"i{number}" for number in numbers]


async def test_few_images_are_named_by_the_catalogue(catalog: SqlCatalog) -> None:
    index = LooseIndex()
    searches = await story(catalog, index, CaughtUp(), 10)
    assert await found(searches, "title:99.") == ["i99", "i199", "i299"]
    (scope,) = index.scopes
    assert scope.uids is not None
    assert len(scope.uids) == 3
    await found(searches, "title:9.")  # thirty images: too many to name
    assert index.scopes[-1].uids is None


async def test_an_image_that_no_longer_satisfies_the_filter_is_not_shown(catalog: SqlCatalog) -> None:
    following = CaughtUp()
    searches = await story(catalog, ExactIndex(), following, 10)
    head = await catalog.head("pictures")
    await catalog.commit(head.collection.uid, [Revise("i4", Metadata(rating=1))])
    assert await found(searches, "rating = 4", 3) == ["i9", "i14", "i19"]
    assert "i4" not in await found(searches, "rating = 1", 3)  # not in the index yet, so not found either


async def test_exact_is_handed_on(catalog: SqlCatalog) -> None:
    index = LooseIndex()
    searches = await story(catalog, index, CaughtUp(), 10)
    query = Query("pictures", (Part(StoredImage("i0")),), 3, exact=True)
    assert len((await searches.search(query)).matches) == 3
    assert index.scopes == [Scope(exact=True)]

"""While the index searches, the catalogue is asked of the head where it tells ahead."""

import asyncio
import gc
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from soutu.adapters.vectors.exact import ExactIndex
from soutu.domain.collection import Head
from soutu.domain.embedding import rounded
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.query import Candidate, Joined, Point
from tests.contract.catalog_fixtures import MovableClock
from tests.contract.test_catalog_generations import refused
from tests.unit.ingest.fakes import DIMENSION
from tests.unit.search.test_absence import QUERY, SIZE, Away, story

Asked = list[tuple[list[int], bool]]


class Telling(Away):
    """A catalogue that tells ahead and notes how it is asked: for which uids, and whether with what it told.
    It goes once it has been asked `goes_after` times."""

    def __init__(self, goes_after: int | None = None) -> None:
        super().__init__()
        self.asked: Asked = []
        self.was_asked = asyncio.Event()
        self.answers = asyncio.Event()
        self.answers.set()
        self._goes_after = goes_after

    def tells_ahead(self) -> bool:
        return True

    async def joined(self, head: Head, uids: Sequence[int], told: Joined | None = None) -> Joined:
        self.asked.append((list(uids), told is not None))
        self.was_asked.set()
        await self.answers.wait()
        if self._goes_after is not None:
            self.away = len(self.asked) > self._goes_after
        return await super().joined(head, uids, told)


class Waiting(ExactIndex):
    """An index that lets others go on before it answers, until they say so where they do; with a failure
    where it is given one."""

    goes_on: asyncio.Event | None = None
    failure: SoutuError | None = None

    async def nearest(self, *given: Any, **options: Any) -> Sequence[Sequence[Candidate]]:
        await (self.goes_on.wait() if self.goes_on else asyncio.sleep(0.01))
        if self.failure:
            raise self.failure
        return await super().nearest(*given, **options)


async def test_the_join_goes_by_what_was_told_meanwhile() -> None:
    catalog = Telling()
    answer = await (await story(catalog, MovableClock(), Waiting())).search(QUERY)
    assert len(answer.matches) == QUERY.page_size
    (ahead, join) = catalog.asked
    assert (ahead, join[1]) == (([], False), True)


async def test_what_the_index_has_seen_since_is_joined_anew() -> None:
    catalog, index = Telling(), Waiting()
    searches = await story(catalog, MovableClock(), index)
    vector = rounded(np.eye(SIZE, DIMENSION, dtype=np.float32)[0] + 0.5)
    await index.write(1, [Point(1, SIZE + 1, vector, {"name": "i1"})], [])
    await searches.search(QUERY)
    assert [told for _, told in catalog.asked] == [False, False]


async def test_an_absence_that_is_noticed_ahead_is_borne_like_one_of_the_join() -> None:
    catalog = Telling(goes_after=2)
    searches = await story(catalog, MovableClock(), Waiting())
    assert not (await searches.search(QUERY)).degraded
    answer = await searches.search(QUERY)
    assert [each.part for each in answer.degraded] == ["catalog"]
    assert [match.image for match in answer.matches] == [None] * QUERY.page_size
    assert len(catalog.asked) == 3, "it was not asked a second time"


async def test_a_catalogue_that_is_known_to_be_away_is_not_asked_ahead() -> None:
    catalog = Telling()
    searches = await story(catalog, MovableClock(), Waiting())
    await searches.search(QUERY)
    catalog.away = True
    assert (await searches.search(QUERY)).degraded
    (asked,) = catalog.asked[2:]
    assert asked[0], "by the join alone"


async def test_it_is_asked_while_the_index_searches() -> None:
    catalog, index = Telling(), Waiting()
    index.goes_on = catalog.was_asked
    async with asyncio.timeout(5):
        await (await story(catalog, MovableClock(), index)).search(QUERY)


@pytest.mark.parametrize("goes_after", [None, 0], ids=["there", "away"])
async def test_of_a_search_that_fails_the_question_ends_by_itself(
    caplog: pytest.LogCaptureFixture, goes_after: int | None
) -> None:
    catalog, index = Telling(goes_after), Waiting()
    searches = await story(catalog, MovableClock(), index)
    index.failure = SoutuError(Reason.INDEX_UNAVAILABLE)
    catalog.answers.clear()
    before = asyncio.all_tasks()
    with refused(Reason.INDEX_UNAVAILABLE):
        await searches.search(QUERY)
    await ended(asyncio.all_tasks() - before, catalog)
    index.failure = None  # its traceback holds the task
    gc.collect()  # an error that nobody has looked at is logged when its task goes
    assert not caplog.records


async def test_of_a_search_that_is_cancelled_the_question_ends_by_itself() -> None:
    catalog = Telling()
    searches = await story(catalog, MovableClock(), Waiting())
    catalog.answers.clear()
    before = asyncio.all_tasks()
    search = asyncio.create_task(searches.search(QUERY))
    await asyncio.sleep(0.05)  # the index has answered
    search.cancel()
    await asyncio.wait([search])
    await ended(asyncio.all_tasks() - before, catalog)


async def ended(questions: set[asyncio.Task[Any]], catalog: Telling) -> None:
    """Returns once the one question has ended, which the catalogue now answers."""
    (question,) = questions
    assert not question.cancelling()
    catalog.answers.set()
    await asyncio.wait([question])
    assert not question.cancelled()

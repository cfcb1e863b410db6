"""SearchService."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from google.rpc import status_pb2

from soutu.domain.errors import SoutuError, Status, invalid_field
from soutu.domain.query import Answer, Query, Subject, pictures_in, with_subjects
from soutu.ingest.courtesy import Courtesy
from soutu.observe.metrics import Metrics
from soutu.rpc.admission import Admission
from soutu.rpc.answers import Answers, digest_of, hashed
from soutu.rpc.calls import Context
from soutu.rpc.convert.queries import (
    answer_message,
    degradation_messages,
    query_of,
    shown_score,
    stage_messages,
    subject_of,
    vector_message,
)
from soutu.rpc.errors import status_of
from soutu.rpc.names import collection_name, generation_path, model_name
from soutu.search.compare import Comparison, Comparisons, Space
from soutu.search.fetching import Fetches
from soutu.search.search import HeadMovedError, Opening, Searches
from soutu.v1 import search_pb2, search_pb2_grpc

BATCH_LIMIT = 16
_EMBED_LIMIT = 32
# The share of the time left that a search may wait for min_revision, so that it can still say so.
_WAIT_SHARE = 0.9
_FINAL = {Status.RESOURCE_EXHAUSTED, Status.DEADLINE_EXCEEDED, Status.CANCELLED}  # whatever the head is


@dataclass(frozen=True, slots=True)
class Asked:
    """One search, the query that was made of it, and its hash; empty where no answer to it is kept."""

    request: search_pb2.SearchRequest
    query: Query
    digest: bytes


class SearchServicer(search_pb2_grpc.SearchServiceServicer):
    """Answers soutu.v1.SearchService."""

    def __init__(
        self,
        searches: Searches,
        comparisons: Comparisons,
        answers: Answers,
        courtesy: Courtesy,
        admission: Admission,
        metrics: Metrics,
        fetches: Fetches,
        min_revision_wait_s: float,
    ) -> None:
        self._searches = searches
        self._answers = answers
        self._courtesy = courtesy
        self._admission = admission
        self._comparisons = comparisons
        self._metrics = metrics
        self._fetches = fetches
        self._wait_s = min_revision_wait_s

    async def Search(self, request: search_pb2.SearchRequest, context: Context) -> search_pb2.SearchResponse:
        return await self._search(request, context)

    async def BatchSearch(
        self, request: search_pb2.BatchSearchRequest, context: Context
    ) -> search_pb2.BatchSearchResponse:
        if not 1 <= len(request.requests) <= BATCH_LIMIT:
            raise invalid_field("requests", f"must be 1 to {BATCH_LIMIT}")
        results = await asyncio.gather(*(self._result(each, context) for each in request.requests))
        return search_pb2.BatchSearchResponse(results=results)

    async def Compare(
        self, request: search_pb2.CompareRequest, context: Context
    ) -> search_pb2.CompareResponse:
        name = collection_name(request.collection, "collection")
        space = await self._comparisons.space_of_collection(name.collection_id, name.generation_id)
        given = [
            subject_of(request.first, name.collection_id, "first"),
            subject_of(request.second, name.collection_id, "second"),
        ]
        first, second = await self._fetches.fetched(given, ["first", "second"])
        async with self._turn([first, second], context):
            compared = await self._comparisons.compare(space, first, second)
        return search_pb2.CompareResponse(
            score=shown_score(compared.score), probability=compared.probability, report=_report(compared)
        )

    async def Embed(self, request: search_pb2.EmbedRequest, context: Context) -> search_pb2.EmbedResponse:
        if not 1 <= len(request.inputs) <= _EMBED_LIMIT:
            raise invalid_field("inputs", f"must be 1 to {_EMBED_LIMIT}")
        space = await self._space(request.model)
        names = [f"inputs[{index}]" for index in range(len(request.inputs))]
        subjects = await self._fetches.fetched(_subjects(request.inputs, space, names), names)
        async with self._turn(subjects, context):
            embedded = await self._comparisons.embed(space, subjects, names)
        return search_pb2.EmbedResponse(
            vectors=[vector_message(vector, request.float16) for vector in embedded.vectors],
            model=f"models/{space.model}",
            stages=stage_messages(embedded.stages_s.items()),
            truncated_inputs=embedded.cut,
        )

    async def _search(self, request: search_pb2.SearchRequest, context: Context) -> search_pb2.SearchResponse:
        left_s = context.time_remaining()
        wait_s = self._wait_s if left_s is None else min(left_s * _WAIT_SHARE, self._wait_s)
        query = await hashed(query_of(request, wait_s))
        opening = await self._searches.open(query)
        asked = Asked(request, query, await digest_of(request, query))
        try:
            return await self._answered(asked, opening, context)
        except (HeadMovedError, SoutuError) as error:
            if isinstance(error, SoutuError) and not await self._comes_of_moving(error, opening):
                raise
        return await self._answered(asked, await self._searches.open(query, anew=True), context)

    async def _answered(self, asked: Asked, opening: Opening, context: Context) -> search_pb2.SearchResponse:
        """The answer by what was opened, kept or made; HeadMovedError where that holds no more."""
        key = self._answers.key(asked.digest, opening)
        if key:
            kept = await self._answers.recall(key)
            self._metrics.cache_read("answers", kept is not None)
            if kept and await self._searches.confirms(opening):
                return kept
        with self._answers.making(key) as keep:
            response, lasting = await self._made(asked, opening, context)
            if lasting:
                keep(response)
        return response

    async def _made(
        self, asked: Asked, opening: Opening, context: Context
    ) -> tuple[search_pb2.SearchResponse, bool]:
        """A new answer, and whether it is the one to give until something changes."""
        query, subjects = asked.query, list[Subject]()
        if not query.page_token:
            names = [f"parts[{index}]" for index in range(len(query.parts))]
            subjects = await self._fetches.fetched([part.subject for part in query.parts], names)
            query = with_subjects(query, subjects)
        async with self._turn(subjects, context):
            answer = await self._searches.answer(opening, query)
        self._count(answer)
        return answer_message(answer, asked.request), answer.current and not answer.degraded

    async def _comes_of_moving(self, error: SoutuError, opening: Opening) -> bool:
        """Whether a search may succeed, or fail with another error, once it is opened anew."""
        return error.reason.status not in _FINAL and await self._searches.has_moved(opening)

    @asynccontextmanager
    async def _turn(self, subjects: Sequence[Subject], context: Context) -> AsyncIterator[None]:
        """Around a query on these subjects: it is let in, and long work makes room, also while it waits."""
        with self._courtesy.query():
            async with self._admission.query(pictures_in(subjects), context.time_remaining()):
                yield

    def _count(self, answer: Answer) -> None:
        self._metrics.stages(answer.stages_s)
        for degradation in answer.degraded:
            self._metrics.degraded(degradation.part)

    async def _result(
        self, request: search_pb2.SearchRequest, context: Context
    ) -> search_pb2.BatchSearchResult:
        try:
            response = await self._search(request, context)
        except SoutuError as error:
            return search_pb2.BatchSearchResult(status=status_of(error))
        return search_pb2.BatchSearchResult(status=status_pb2.Status(), response=response)

    async def _space(self, model: str) -> Space:
        if model.startswith("models/"):
            return await asyncio.to_thread(self._comparisons.space_of_model, model_name(model, "model"))
        name = collection_name(model, "model")
        return await self._comparisons.space_of_collection(name.collection_id, name.generation_id)


def _subjects(inputs: Sequence[search_pb2.QueryPart], space: Space, names: list[str]) -> list[Subject]:
    if space.head is None and any(part.WhichOneof("subject") == "stored_image" for part in inputs):
        raise invalid_field("inputs", "stored images need a collection in `model`")
    collection = space.head.collection.id if space.head else ""
    return [subject_of(part, collection, name) for part, name in zip(inputs, names, strict=True)]


def _report(compared: Comparison) -> search_pb2.SearchReport:
    head = compared.space.head
    assert head is not None, "a comparison is made in a collection's space"
    return search_pb2.SearchReport(
        generation=generation_path(head.collection.id, head.generation.id),
        model=f"models/{compared.space.model}",
        stages=stage_messages(compared.stages_s.items()),
        degraded=degradation_messages(compared.degraded),
    )

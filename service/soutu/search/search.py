"""Search: from a query to its matches.

head -> filter, boosts -> query vector -> nearest, over-fetched -> join with the catalogue -> rank and page.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from soutu.domain.collection import GenerationState, Head
from soutu.domain.embedding import Vector
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.fields import fields_of
from soutu.domain.filter import And, Filter
from soutu.domain.image import Image
from soutu.domain.query import Answer, Candidate, Degradation, Joined, Match, Query, Scope
from soutu.domain.revision import revision_number, revision_text
from soutu.filters.evaluate import accepts
from soutu.filters.parse import parse_filter
from soutu.observe.stages import Stages
from soutu.ports import Catalog, Following, VectorIndex
from soutu.search.absence import Absence, Seen
from soutu.search.ahead import Ahead
from soutu.search.boosts import CUT, NO_BOOSTS, NOTHING_LEFT, Boosts, parse_boosts, score_of
from soutu.search.embedding import QueryEmbedder
from soutu.search.pages import MATCH_LIMIT, Page, PageTokens, Place

_SPARE = 3
_FEW = 10_000  # images that the catalogue names for the index to look at, and no more
_DEEPEST = 8_192  # candidates of each scope that a search with boosts looks at, and no more


@dataclass(frozen=True, slots=True)
class Opening:
    """What a search found at its beginning: the head, how far the index had followed, and what was left out
    already. Unless it was read `anew`, the head is one that was seen before, to be confirmed."""

    head: Head
    followed: int
    stages: Stages
    degraded: tuple[Degradation, ...] = ()
    anew: bool = False

    @property
    def current(self) -> bool:
        """Whether the index had everything that the catalogue had."""
        return self.followed == self.head.collection.revision


@dataclass(frozen=True, slots=True)
class Aims:
    """Where a search looks: at the nearest images of `scope`, and apart from these, for its boosts, at those
    of each of `favoured`, which lie within it."""

    scope: Scope
    boosts: Boosts = NO_BOOSTS
    favoured: tuple[Scope, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """The matches of one page, whether more may follow, what was left out, and the collection's revision when
    they were joined, None where the catalogue was away."""

    matches: tuple[Match, ...]
    more: bool
    revision: int | None
    degraded: tuple[Degradation, ...] = ()


class HeadMovedError(Exception):
    """The head that a search went by holds no more; it is to be opened anew."""


class Searches:
    """The search story. The catalogue names up to `few` images for the index to look at; up to `deepest`
    candidates of each scope are looked at for boosts."""

    def __init__(
        self,
        catalog: Catalog,
        index: VectorIndex,
        following: Following,
        embedder: QueryEmbedder,
        tokens: PageTokens,
        absence: Absence,
        few: int = _FEW,
        deepest: int = _DEEPEST,
    ) -> None:
        self._catalog = catalog
        self._index = index
        self._following = following
        self._embedder = embedder
        self._tokens = tokens
        self._absence = absence
        self._few = few
        self._deepest = deepest

    async def search(self, query: Query) -> Answer:
        """The page of matches that `query` asks for."""
        return await self.answer(await self.open(query, anew=True), query)

    async def open(self, query: Query, *, anew: bool = False) -> Opening:
        """What the query is about, once its index is ready and has its min_revision: COLLECTION_NOT_FOUND,
        GENERATION_NOT_FOUND, GENERATION_UNREADY, INDEX_UNREADY, REVISION_INVALID, REVISION_NOT_REACHED,
        PAGE_TOKEN_INVALID, PAGE_TOKEN_EXPIRED."""
        stages = Stages()
        anew = anew or bool(query.min_revision or query.page_token)
        with stages.time("head"):
            seen = await self._ready_head(query, recent=not anew)
        followed = self._following.followed(seen.head.generation)
        return Opening(seen.head, followed, stages, _without_catalog(seen.error), anew)

    async def confirms(self, opening: Opening) -> bool:
        """Whether the catalogue says that nothing has changed since a `current` opening, so that an answer of
        before holds; while it is away nobody knows what has been deleted, or purged. HeadMovedError where
        something has changed."""
        if opening.anew:
            return True
        try:
            now = await self._catalog.joined(opening.head, ())
        except SoutuError as error:
            if self._absence.bears(error):
                return False
            raise
        if not (now.holds and self._is_still(opening, now.revision)):
            raise HeadMovedError
        return True

    async def has_moved(self, opening: Opening) -> bool:
        """Whether an error may have come of a head that does not hold any more."""
        if opening.anew:
            return False
        try:
            return not (await self._catalog.joined(opening.head, ())).holds
        except SoutuError as error:
            return error.reason is not Reason.CATALOG_UNAVAILABLE

    async def answer(self, opening: Opening, query: Query) -> Answer:
        """The page of matches that `query` asks for, in what was opened for it; HeadMovedError."""
        head, stages = opening.head, opening.stages
        wanted = parse_filter(query.filter, head.collection)
        boosts = parse_boosts(query.boosts, head.collection)
        page, cut = await self._page(head, query, stages)
        aims = await self._aims(head, wanted, boosts, query, stages)
        found = await self._find(opening, query, page, aims)
        return Answer(
            collection_id=head.collection.id,
            generation_id=head.generation.id,
            model=head.generation.model,
            revision=revision_text(head.collection.uid, opening.followed),
            matches=self._with_chances(found.matches, head) if page.words_alone else found.matches,
            next_page_token=self._next(query, page, found),
            stages_s=stages.seconds,
            degraded=cut + (found.degraded or opening.degraded),
            current=opening.current
            and found.revision is not None
            and self._is_still(opening, found.revision),
        )

    def _is_still(self, opening: Opening, revision: int) -> bool:
        return revision == self._following.followed(opening.head.generation) == opening.followed

    async def _ready_head(self, query: Query, *, recent: bool) -> Seen:
        """The head, its index ready. Where that of a recent one is not, another may have taken its place."""
        seen = await self._head(query, recent=recent)
        try:
            await self._check_ready(seen, query)
        except SoutuError:
            if not recent:
                raise
            return await self._ready_head(query, recent=False)
        return seen

    async def _head(self, query: Query, *, recent: bool) -> Seen:
        """The collection with its active or the named generation; a page token goes on in its own, also when
        another has been published since."""
        if not query.page_token:
            return await self._absence.head(query.collection_id, query.generation_id, recent=recent)
        page, seen = self._tokens.read(query), await self._absence.head(query.collection_id)
        if page.collection_uid != seen.head.collection.uid:
            raise SoutuError(Reason.PAGE_TOKEN_EXPIRED, "The collection of the page token is gone.")
        if page.generation_uid == seen.head.generation.uid:
            return seen
        for generation in await self._catalog.generations(page.collection_uid):
            if generation.uid == page.generation_uid:
                return replace(seen, head=replace(seen.head, generation=generation))
        raise SoutuError(Reason.PAGE_TOKEN_EXPIRED)

    async def _check_ready(self, seen: Seen, query: Query) -> None:
        head = seen.head
        if head.generation.state is not GenerationState.READY:
            raise SoutuError(Reason.GENERATION_UNREADY)
        if query.min_revision:
            revision = revision_number(head.collection.uid, query.min_revision)
            if revision > head.collection.revision:
                raise seen.error or SoutuError(Reason.REVISION_INVALID, field="min_revision")
            if not await self._following.reached(head.generation, revision, query.wait_s):
                raise SoutuError(Reason.REVISION_NOT_REACHED)
        self._following.check_ready(head.generation)

    async def _page(self, head: Head, query: Query, stages: Stages) -> tuple[Page, tuple[Degradation, ...]]:
        """Where the search begins, and what was left out of the query: a new one is embedded, a page token
        carries its vector."""
        if query.page_token:
            return self._tokens.read(query), ()
        embedded = await self._embedder.query(head, query.parts, stages)
        left_out = frozenset() if query.include_query_images else embedded.stored
        uids = head.collection.uid, head.generation.uid
        page = Page(*uids, Place(), embedded.vector, left_out, query.words_alone)
        return page, embedded.degraded

    async def _aims(
        self, head: Head, wanted: Filter | None, boosts: Boosts, query: Query, stages: Stages
    ) -> Aims:
        """Where to look: whom a boost favours is looked for apart, as it may be far from the nearest."""
        scope = await self._scope(head, wanted, query, stages)
        within = [And((wanted, each)) if wanted else each for each in boosts.favoured]
        return Aims(scope, boosts, tuple([await self._scope(head, each, query, stages) for each in within]))

    async def _scope(self, head: Head, wanted: Filter | None, query: Query, stages: Stages) -> Scope:
        """Where the index is to look. A filter that the index cannot narrow itself down to is left to the
        catalogue, which names the images if they are few; if they are many, over-fetching meets them soon."""
        if wanted is None or self._index.narrows(wanted):
            return Scope(wanted, exact=query.exact)
        with stages.time("filter"):
            uids = await self._catalog.find_uids(head.collection.uid, wanted, self._few + 1)
        return Scope(wanted, frozenset(uids) if len(uids) <= self._few else None, query.exact)

    async def _find(self, opening: Opening, query: Query, page: Page, aims: Aims) -> Found:
        """Fetches somewhat more candidates than are wanted, and twice as many while too few of them stand, or
        one that was not fetched might come before them."""
        head, stages = opening.head, opening.stages
        hidden = await self._hidden(head, query, page)
        ahead = Ahead(self._catalog, head, away=bool(opening.degraded))
        wanted = min(query.page_size, MATCH_LIMIT - page.place.shown)
        limit = page.place.shown + wanted + len(hidden) + _SPARE
        while True:
            with stages.time("nearest"):
                lists = await self._nearest(head, page.vector, limit, aims, query.candidates)
            may_stand = [
                each for each in _together(lists) if _may_stand(each, query, page.place, hidden, aims.boosts)
            ]
            with stages.time("join"):
                matches, revision, degraded = await self._join(opening, may_stand, aims, ahead)
            if aims.boosts:
                matches = _ranked(match for match in matches if _stands(match, query, page.place))
            found = Found(tuple(matches[:wanted]), len(matches) > wanted, revision, degraded)
            ceiling = _ceiling(lists, limit, aims.boosts)
            full = found.more and matches[wanted].score >= ceiling
            if full or ceiling == NOTHING_LEFT or _below(ceiling, query):
                return found
            if aims.boosts and limit >= self._deepest:
                return replace(found, degraded=(*degraded, CUT))
            limit = min(2 * limit, self._deepest) if aims.boosts else 2 * limit

    async def _hidden(self, head: Head, query: Query, page: Page) -> frozenset[int]:
        if not query.exclude:
            return page.left_out
        excluded = await self._catalog.image_ids(head.collection.uid, sorted(query.exclude))
        return page.left_out | frozenset(excluded.values())

    async def _nearest(
        self, head: Head, vector: Vector, limit: int, aims: Aims, candidates: int
    ) -> Sequence[Sequence[Candidate]]:
        """The `limit` nearest in the scope of all, then of each favoured one."""
        generation, size = head.generation, candidates or head.generation.index.candidates
        followed = self._following.followed(generation)

        async def nearest(scope: Scope) -> Sequence[Candidate]:
            (found,) = await self._index.nearest(
                generation.uid, vector[None], limit, candidates=size, scope=scope, revision=followed
            )
            return found

        if not aims.favoured:  # the usual case: gather would make a task of it
            return [await nearest(aims.scope)]
        return await asyncio.gather(*map(nearest, (aims.scope, *aims.favoured)))

    async def _join(
        self, opening: Opening, candidates: Sequence[Candidate], aims: Aims, ahead: Ahead
    ) -> tuple[list[Match], int | None, tuple[Degradation, ...]]:
        """The candidates that are images now and satisfy the filter now, and the revision of now; points that
        disagree with their row are looked at again. While the catalogue is away, their names as the index
        keeps them, unless rows are needed to judge."""
        head = opening.head
        try:
            told = await ahead.told(candidates)
            now = await self._catalog.joined(head, [each.uid for each in candidates], told)
        except SoutuError as error:
            if aims.scope.filter or aims.boosts or not self._absence.bears(error):
                raise
            return await self._named(head, candidates, error), None, _without_catalog(error)
        if not (now.holds or opening.anew):
            raise HeadMovedError
        self._absence.heard()
        self._report(head, candidates, now)
        matches = [
            _match(each, row.id, row, aims.boosts)
            for each in candidates
            if (row := now.images.get(each.uid)) and _satisfies(row, aims.scope)
        ]
        return matches, now.revision, ()

    async def _named(self, head: Head, candidates: Sequence[Candidate], error: SoutuError) -> list[Match]:
        names = await self._index.names(head.generation.uid, [each.uid for each in candidates])
        if candidates and not names:
            raise error
        return [_match(each, names[each.uid]) for each in candidates if each.uid in names]

    def _report(self, head: Head, candidates: Sequence[Candidate], now: Joined) -> None:
        followed = self._following.followed(head.generation)
        if followed < now.revision:
            return
        stale = [
            each.uid
            for each in candidates
            if (row := now.images.get(each.uid)) is None or each.revision != row.revision <= followed
        ]
        if stale:
            self._following.suspect(head.generation, stale)

    def _with_chances(self, matches: Sequence[Match], head: Head) -> tuple[Match, ...]:
        """The matches of a text, with the chance that each shows what it says."""
        model = head.generation.model
        return tuple(
            match._replace(probability=self._embedder.chance(model, match.score - match.boost))
            for match in matches
        )

    def _next(self, query: Query, page: Page, found: Found) -> str:
        shown = page.place.shown + len(found.matches)
        if not found.more or shown >= MATCH_LIMIT:
            return ""
        last = found.matches[-1]
        return self._tokens.write(query, replace(page, place=Place(shown, last.score, last.uid)))


def _match(
    candidate: Candidate, image_id: str, image: Image | None = None, boosts: Boosts = NO_BOOSTS
) -> Match:
    scores = {"nearest": candidate.score}
    if not boosts or image is None:
        return Match(candidate.uid, image_id, candidate.score, scores, image)
    boost = boosts.of(image)
    score = score_of(candidate.score, boost)
    return Match(candidate.uid, image_id, score, {**scores, "boost": boost}, image, boost)


def _without_catalog(error: SoutuError | None) -> tuple[Degradation, ...]:
    return (Degradation("catalog", error.reason.name),) if error else ()


def _ceiling(lists: Sequence[Sequence[Candidate]], limit: int, boosts: Boosts) -> float:
    """The most that an image can score which none of the lists, of up to `limit` candidates, has."""
    first, *others = (each[-1].score if len(each) >= limit else NOTHING_LEFT for each in lists)
    return boosts.ceiling(first, others)


def _together(lists: Sequence[Sequence[Candidate]]) -> Sequence[Candidate]:
    """The candidates of all lists, each once."""
    if len(lists) == 1:
        return lists[0]
    return list({each.uid: each for found in lists for each in found}.values())


def _may_stand(
    candidate: Candidate, query: Query, place: Place, hidden: frozenset[int], boosts: Boosts
) -> bool:
    """Whether a candidate may be shown on this page, as far as is known without its row."""
    return candidate.uid not in hidden and (bool(boosts) or _stands(candidate, query, place))


def _stands(scored: Candidate | Match, query: Query, place: Place) -> bool:
    """Whether what has this score is to be shown on this page."""
    return not _below(scored.score, query) and place.is_before(scored.score, scored.uid)


def _ranked(matches: Iterable[Match]) -> list[Match]:
    return sorted(matches, key=lambda match: (-match.score, match.uid))


def _satisfies(image: Image, scope: Scope) -> bool:
    return scope.filter is None or accepts(scope.filter, fields_of(image))


def _below(score: float, query: Query) -> bool:
    return query.score_floor is not None and score < query.score_floor

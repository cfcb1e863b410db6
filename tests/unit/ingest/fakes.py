"""A catalogue of one collection in a few lists, an index that can be made to fail, and images in one line."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np

from soutu.adapters.vectors.exact import ExactIndex
from soutu.domain.collection import (
    Collection,
    Generation,
    GenerationState,
    Head,
    IndexSpec,
)
from soutu.domain.embedding import Vector
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.image import Content, Image, Keeping, Metadata, Original
from soutu.domain.lead import Lead
from soutu.domain.model import ModelRef
from soutu.domain.query import Point
from soutu.domain.writing import Change, Checkpoint, Commit, Failure, Reckoning, Request, Write, Written
from soutu.ports.catalog import CaughtUp

MODEL = ModelRef("descriptor", "1")
THEN = datetime(2026, 1, 2, tzinfo=UTC)
DIMENSION = 4
COLLECTION = Collection(5, "c", "", "", {}, 0, 1, 0, THEN, THEN)


def generation(uid: int = 1, state: GenerationState = GenerationState.READY, followed: int = 0) -> Generation:
    return Generation(uid, 5, f"g{uid}", MODEL, DIMENSION, IndexSpec(), state, followed, THEN, None)


def content(name: str) -> Content:
    return Content(hashlib.sha256(name.encode()).hexdigest(), 100, 4, 3, "image/jpeg")


def image(uid: int, revision: int) -> Image:
    name = f"i{uid}"
    return Image(uid, 5, name, revision, content(name), Original(Keeping.STORED), Metadata(), THEN, THEN)


def vector(seed: int) -> Vector:
    values = np.random.default_rng(seed).standard_normal(DIMENSION).astype(np.float32)
    return np.asarray(values / np.linalg.norm(values), np.float32)


@dataclass
class ListCatalog:
    """As much of a Catalog as following and publishing need. `put` and `remove` are what clients did."""

    found: list[Generation] = field(default_factory=lambda: [generation()])
    active: int = 1
    revision: int = 0
    newest: dict[int, Change] = field(default_factory=dict)
    stored: dict[str, Vector] = field(default_factory=dict)
    checkpoints: list[Checkpoint] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)  # ids of images that no write may be about
    unfollowed: dict[int, list[Failure]] = field(default_factory=dict)  # by generation
    late: int = 0  # commits that come in just before a publication
    down: int = 0  # reads of changes that fail

    def put(self, uid: int, *, embedded: bool = True) -> None:
        self.revision += 1
        self.newest[uid] = Change(
            uid, self.revision, image(uid, self.revision), vector(uid) if embedded else None
        )

    def remove(self, uid: int) -> None:
        self.revision += 1
        self.newest[uid] = Change(uid, self.revision)

    async def head(self, collection_id: str, generation_id: str = "") -> Head:
        for each in self.found:
            if each.id == generation_id or (not generation_id and each.uid == self.active):
                images = sum(change.image is not None for change in self.newest.values())
                return Head(replace(COLLECTION, revision=self.revision, image_count=images), each)
        raise SoutuError(Reason.GENERATION_NOT_FOUND)

    async def generations(self, collection_uid: int | None = None) -> Sequence[Generation]:
        return list(self.found)

    async def changes(self, collection_uid: int, model: ModelRef, after: int, limit: int) -> Sequence[Change]:
        if self.down:
            self.down -= 1
            raise SoutuError(Reason.CATALOG_UNAVAILABLE)
        later = [change for change in self.newest.values() if change.revision > after]
        return sorted(later, key=lambda change: change.revision)[:limit]

    async def rows(self, collection_uid: int, model: ModelRef, uids: Sequence[int]) -> Sequence[Change]:
        return [self.newest[uid] if self._exists(uid) else Change(uid, 0) for uid in uids]

    async def revisions(self, collection_uid: int, after_uid: int, limit: int) -> Sequence[tuple[int, int]]:
        return [
            (uid, self.newest[uid].revision)
            for uid in sorted(self.newest)
            if self._exists(uid) and uid > after_uid
        ]

    async def set_followed(
        self,
        generation_uid: int,
        revision: int,
        failures: Sequence[Failure] = (),
        lead: Lead | None = None,
    ) -> None:
        before = self.unfollowed.get(generation_uid, []) if revision else []
        self.unfollowed[generation_uid] = [*before, *failures]
        self._change(generation_uid, followed=revision)

    async def failures(self, uid: int, after: int, limit: int) -> Sequence[tuple[int, Failure]]:
        (building,) = (each.uid for each in self.found if each.state is GenerationState.BUILDING)
        return list(enumerate(self.unfollowed.get(building, []), 1))[after : after + limit]

    async def set_generation_state(self, generation_uid: int, state: GenerationState) -> None:
        self._change(generation_uid, state=state)

    async def publish_generation(self, generation: Generation, caught_up: CaughtUp) -> bool:
        at_revision = self.revision
        if not await caught_up(at_revision):
            return False
        if self.late:
            self.late -= 1
            self.put(90 + self.late)
        if at_revision != self.revision:
            return False
        self.active = generation.uid
        return True

    async def delete_generation(self, generation: Generation) -> None:
        self.found = [each for each in self.found if each.uid != generation.uid]

    async def store_embeddings(self, model: ModelRef, vectors: Mapping[str, Vector]) -> None:
        self.stored |= vectors

    async def commit(
        self,
        collection_uid: int,
        writes: Sequence[Write],
        *,
        request: Request | None = None,
        checkpoint: Checkpoint | Reckoning | None = None,
    ) -> Commit:
        outcomes = [self._outcome(write) for write in writes]
        commit = Commit(tuple(outcomes), self.revision)
        if checkpoint:
            self.checkpoints.append(checkpoint(commit) if callable(checkpoint) else checkpoint)
        return commit

    def _outcome(self, write: Write) -> Written | SoutuError:
        if write.image_id in self.refused:
            return SoutuError(Reason.IMAGE_CHANGED_MEANWHILE)
        self.put(self.revision + 1)
        return Written(None, self.revision, created=True)

    def _exists(self, uid: int) -> bool:
        return uid in self.newest and self.newest[uid].image is not None

    def _change(self, uid: int, **values: object) -> None:
        changed = [replace(each, **values) if each.uid == uid else each for each in self.found]  # type: ignore[arg-type]
        self.found = changed


class FragileIndex(ExactIndex):
    """An exact index of which the next `failing` writes fail, each lasts `write_s`, that can be emptied, and
    that lists, drops and optimises nothing while it is `away`."""

    def __init__(self) -> None:
        super().__init__()
        self.failing = 0
        self.write_s = 0.0
        self.persisted = 0
        self.away = False

    async def optimize(self, generation: int) -> None:
        self._check_there()
        await super().optimize(generation)

    async def drop(self, generation: int) -> None:
        self._check_there()
        await super().drop(generation)

    async def kept(self) -> Sequence[int]:
        self._check_there()
        return await super().kept()

    def _check_there(self) -> None:
        if self.away:
            raise SoutuError(Reason.INDEX_UNAVAILABLE, "It is away.")

    async def write(self, generation: int, points: Sequence[Point], gone: Sequence[int]) -> None:
        if self.failing:
            self.failing -= 1
            raise SoutuError(Reason.INDEX_UNAVAILABLE)
        await asyncio.sleep(self.write_s)
        await super().write(generation, points, gone)

    async def persist(self, generation: int) -> None:
        self.persisted += 1
        await super().persist(generation)


@dataclass
class Embeddings:
    """A Completion that knows the vectors of all images but those that are `lost`."""

    lost: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    pause: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.pause.set()

    async def complete(
        self, model: ModelRef, images: Sequence[Image]
    ) -> tuple[Mapping[str, Vector], Sequence[Failure]]:
        self.asked += [each.id for each in images]
        await self.pause.wait()
        vectors = {each.content.sha256: vector(each.uid) for each in images if each.id not in self.lost}
        return vectors, [Failure(each.id, "ORIGINAL_GONE", "") for each in images if each.id in self.lost]

"""Queries and matches: what is asked of a collection and what is found."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import NamedTuple

from soutu.domain.embedding import Vector
from soutu.domain.errors import Reason
from soutu.domain.filter import Filter
from soutu.domain.image import Image, Region
from soutu.domain.model import ModelRef


@dataclass(frozen=True, slots=True)
class ImageBytes:
    """A picture given in the query itself; `sha256` is that of its bytes, once it is known."""

    data: bytes
    region: Region | None = None
    sha256: bytes = field(default=b"", compare=False)


@dataclass(frozen=True, slots=True)
class ImageUri:
    """A picture by the address that it is to be fetched from; `data` are its bytes, once it has been."""

    uri: str
    region: Region | None = None
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class StoredImage:
    """A picture of the searched collection, by its id."""

    image_id: str
    region: Region | None = None


@dataclass(frozen=True, slots=True)
class GivenVector:
    """An embedding that the caller made, under the collection's model."""

    values: Vector


@dataclass(frozen=True, slots=True)
class GivenText:
    """What a picture is to show, in words: 1 to 1,024 characters."""

    text: str


Subject = ImageBytes | ImageUri | StoredImage | GivenVector | GivenText


def pictures_in(subjects: Iterable[Subject]) -> int:
    """How many of the subjects are pictures or texts that a model is run on; the vectors of the others are
    known."""
    return sum(
        isinstance(subject, ImageBytes | ImageUri | GivenText)
        or (isinstance(subject, StoredImage) and subject.region is not None)
        for subject in subjects
    )


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a query. Parts combine as normalise(sum of weight * vector); weights may be negative."""

    subject: Subject
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Boost:
    """Adds `amount`, within [-1, 1], to the scores of images that `filter`, an AIP-160 text, accepts."""

    filter: str
    amount: float


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked of one collection, or of one of its generations where `generation_id` is set.

    `score_floor` is the least score of a match, `candidates` the size of the index's candidate list (0: the
    generation's default), `min_revision` the revision that must be in the index before the search, for which
    it waits at most `wait_s` seconds. `filter` is an AIP-160 text; `exact` compares with every vector.
    """

    collection_id: str
    parts: tuple[Part, ...]
    page_size: int
    generation_id: str = ""
    page_token: str = ""
    exclude: frozenset[str] = frozenset()
    include_query_images: bool = False
    score_floor: float | None = None
    min_revision: str = ""
    wait_s: float = 0
    candidates: int = 0
    filter: str = ""
    exact: bool = False
    boosts: tuple[Boost, ...] = ()

    @property
    def words_alone(self) -> bool:
        """Whether the query is one text and nothing else."""
        return (
            len(self.parts) == 1 and isinstance(self.parts[0].subject, GivenText) and self.parts[0].weight > 0
        )


def with_subjects(query: Query, subjects: Sequence[Subject]) -> Query:
    """The query with these subjects in place of its parts' own, in order."""
    parts = zip(query.parts, subjects, strict=True)
    return replace(query, parts=tuple(replace(part, subject=subject) for part, subject in parts))


@dataclass(frozen=True, slots=True)
class Point:
    """What an index keeps of an image: its vector, the row's revision, and the fields it can filter by."""

    uid: int
    revision: int
    vector: Vector
    fields: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which points of an index a search looks at: those that satisfy `filter`, and of these only `uids` where
    they are given. `exact` compares the query with every one of them."""

    filter: Filter | None = None
    uids: frozenset[int] | None = None
    exact: bool = False


EVERYTHING = Scope()


class Candidate(NamedTuple):
    """A point that an index found: score is the inner product, larger is better. A tuple, as a search makes
    many and a frozen dataclass takes four times as long."""

    uid: int
    score: float
    revision: int


class Match(NamedTuple):
    """An image found, with its score, of which `boost` is what boosts gave it, and the scores of the stages
    that made it; `image` is None where the catalogue, which knows more of it, is away. `probability` is the
    chance that it shows the same as the query, None where the model is not calibrated for the query."""

    uid: int
    image_id: str
    score: float
    stage_scores: Mapping[str, float] = MappingProxyType({})
    image: Image | None = None
    boost: float = 0.0
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """What one read of the catalogue tells a search: the images among its candidates that exist now, by uid,
    the collection's revision now, and whether the head that it was asked with still `holds`, its collection's
    revision and count of images aside."""

    images: Mapping[int, Image]
    revision: int
    holds: bool


@dataclass(frozen=True, slots=True)
class Degradation:
    """A part of the work that was left out or done with less, and why."""

    part: str
    reason: str


TEXT_CUT = Degradation("text", Reason.TEXT_TRUNCATED.name)
"""A text was longer than the model's context, and its end was left out."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a search found and how the answer was made. `stages_s` are seconds by stage name, in order. It is
    `current` where the revision was the collection's before it was made, and is so still."""

    collection_id: str
    generation_id: str
    model: ModelRef
    revision: str
    matches: tuple[Match, ...]
    next_page_token: str = ""
    stages_s: Mapping[str, float] = field(default_factory=dict)
    degraded: tuple[Degradation, ...] = ()
    current: bool = False

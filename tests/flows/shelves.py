"""The simplest model of what a server holds: dictionaries, and numpy for the scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from soutu.client import Client, vector_values
from soutu.v1.search_pb2 import Match
from tests.flows import pictures

SIZE = (96, 72)
NEAR = 1e-3  # scores of float16 vectors, computed in another order


@dataclass(frozen=True)
class Kept:
    """One image: the number of its picture, and its title."""

    picture: int
    title: str = ""


@dataclass
class Shelf:
    """One collection. `images` are by id, oldest first; a replaced one keeps its place, as its uid stays.

    `generations` are the READY ones with their models; `published` is in the order of last publishing.
    """

    images: dict[str, Kept] = field(default_factory=dict)
    generations: dict[str, str] = field(default_factory=lambda: {"g1": "models/gradient-color@1"})
    published: list[str] = field(default_factory=lambda: ["g1"])
    revision: str = ""

    @property
    def active(self) -> str:
        return self.published[-1]

    def put(self, image_id: str, picture: int) -> str:
        """Adds a new image; the reason that refuses it, empty where it is done."""
        if image_id in self.images:
            return "IMAGE_EXISTS"
        self.images[image_id] = Kept(picture)
        return ""

    def alike(self, picture: int, besides: str) -> str:
        """The oldest other image with this picture; empty where there is none."""
        same = (name for name, kept in self.images.items() if kept.picture == picture and name != besides)
        return next(same, "")

    def retitle(self, image_id: str, title: str) -> None:
        self.images[image_id] = replace(self.images[image_id], title=title)

    def publish(self, generation: str) -> None:
        self.published = [*(each for each in self.published if each != generation), generation]

    def former(self) -> str:
        """The generation that a rollback publishes; empty where there is none."""
        return self.published[-2] if len(self.published) > 1 else ""

    def forget(self, generation: str) -> None:
        del self.generations[generation]
        self.published = [each for each in self.published if each != generation]


@dataclass
class Scores:
    """The vectors of the numbered pictures, as the server's models see them."""

    vectors: dict[tuple[str, int], NDArray[np.float32]] = field(default_factory=dict)

    def vector(self, client: Client, model: str, picture: int) -> NDArray[np.float32]:
        key = (model, picture)
        if key not in self.vectors:
            answer = client.embed(model, [pictures.jpeg(picture, *SIZE)])
            self.vectors[key] = vector_values(answer.vectors[0])
        return self.vectors[key]

    def of(self, client: Client, model: str, query: int, images: Mapping[str, Kept]) -> dict[str, float]:
        """The exact score of every image for the query picture."""
        vector = self.vector(client, model, query)
        return {
            name: float(self.vector(client, model, kept.picture) @ vector) for name, kept in images.items()
        }


def assert_agrees(matches: Sequence[Match], scores: Mapping[str, float], ages: Sequence[str]) -> None:
    """The matches are all images, each with its exact score, best first, and equal ones oldest first."""
    shown = [match.name.rsplit("/", 1)[1] for match in matches]
    assert sorted(shown) == sorted(scores), (shown, list(scores))
    assert all(abs(match.score - scores[name]) < NEAR for match, name in zip(matches, shown, strict=True))
    for one, other in pairwise(shown):
        assert scores[one] > scores[other] - NEAR
        if scores[one] == scores[other]:
            assert ages.index(one) < ages.index(other), (one, other)

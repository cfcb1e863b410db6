"""Seeded vectors and points for the tests of vector indexes."""

from collections.abc import Sequence

import numpy as np

from soutu.domain.embedding import Vectors, rounded
from soutu.domain.query import Point


def unit_vectors(count: int, dimension: int, seed: int = 0) -> Vectors:
    """Random directions, float32 (count, dimension), rounded as everything that is stored."""
    drawn = np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)
    return rounded(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))


def mixture(count: int, dimension: int, rank: int = 48, clusters: int = 200, seed: int = 0) -> Vectors:
    """Unit vectors from a mixture of Gaussians that lives in `rank` dimensions, as embeddings do."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((clusters, rank))
    latent = centres[random.integers(clusters, size=count)] + 0.7 * random.standard_normal((count, rank))
    drawn = (latent @ random.standard_normal((rank, dimension))).astype(np.float32)
    return rounded(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))


def points(vectors: Vectors, first_uid: int = 1, revision: int = 1) -> Sequence[Point]:
    """A point for each row, with uids from `first_uid` on."""
    return [Point(first_uid + row, revision, vector) for row, vector in enumerate(vectors)]

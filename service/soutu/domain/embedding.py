"""Embeddings: unit vectors, rounded to float16 wherever they are kept.

The same rounded vector is stored, indexed, cached and searched with, so an answer does not depend on which
of these it came from. Scores are inner products: for unit vectors cosine = score, L2^2 = 2 - 2 * score.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from soutu.domain.errors import Reason, SoutuError

Vector = NDArray[np.float32]  # shape (dimension,)
Vectors = NDArray[np.float32]  # shape (n, dimension)

_SMALLEST_NORM = 1e-6
_SMALLEST_NORMAL = float(np.finfo(np.float32).tiny)


def checked_vector(values: Vector, dimension: int) -> Vector:
    """`values` scaled to unit length; VECTOR_INVALID if they have no direction or another dimension."""
    if values.shape != (dimension,):
        raise SoutuError(
            Reason.VECTOR_INVALID,
            f"The vector has {values.size} components; the model's have {dimension}.",
            dimension=dimension,
        )
    wide = values.astype(np.float64)  # so that float32's range is no limit to the norm
    norm = math.sqrt(wide.dot(wide))
    if not math.isfinite(norm):
        raise SoutuError(Reason.VECTOR_INVALID, "The vector has a component that is not a finite number.")
    if norm < _SMALLEST_NORMAL:
        raise SoutuError(Reason.VECTOR_INVALID, "The vector is zero, so it points nowhere.")
    return rounded((wide / norm).astype(np.float32))


def combine(vectors: Sequence[Vector], weights: Sequence[float]) -> Vector:
    """normalise(sum of weight * vector), float16-rounded; QUERY_ZERO_SUM where the parts cancel out."""
    total = np.einsum("i,ij->j", np.asarray(weights, np.float64), np.asarray(vectors, np.float64))
    norm = float(np.linalg.norm(total))
    if norm < _SMALLEST_NORM * max(abs(weight) for weight in weights):
        raise SoutuError(Reason.QUERY_ZERO_SUM)
    return rounded((total / norm).astype(np.float32))


def rounded(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The values as float16 holds them, in float32."""
    return vectors.astype(np.float16).astype(np.float32)


def to_bytes(vector: Vector) -> bytes:
    """The vector as little-endian float16, as the catalogue and the caches keep it."""
    return vector.astype("<f2").tobytes()


def from_bytes(data: bytes) -> Vector:
    """The float32 vector that `to_bytes` wrote."""
    return np.frombuffer(data, "<f2").astype(np.float32)


def all_units(vectors: Vectors) -> bool:
    """Whether every row is finite and of length one within 1 %: what a sound model answers."""
    norms = np.linalg.norm(vectors, axis=1)
    return bool(np.isfinite(norms).all() and (np.abs(norms - 1) < 0.01).all())

"""Shorter vectors: PCA with whitening, learned from the vectors of pictures.

H. Jégou and O. Chum, "Negative evidences and co-occurrences in image retrieval: the benefit of PCA and
whitening", 2012: the mean is taken off, the directions of greatest variance are kept, and each is divided by
its deviation; the result is brought to length one again.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soutu.domain.cards import invalid_model
from soutu.domain.embedding import Vectors

_SMALLEST_SHARE = 1e-6  # of the greatest variance: what lies below is noise, and is not blown up


@dataclass(frozen=True, slots=True)
class Reduction:
    """matrix @ vector + offset: float32 (to, from) and (to,)."""

    matrix: NDArray[np.float32]
    offset: NDArray[np.float32]

    def apply(self, vectors: Vectors) -> Vectors:
        """Unit vectors float32 (n, to) of unit vectors (n, from)."""
        reduced = vectors @ self.matrix.T + self.offset
        lengths = np.linalg.norm(reduced, axis=1, keepdims=True)
        return np.asarray(reduced / np.maximum(lengths, 1e-12), np.float32)


def learn_reduction(vectors: Vectors, dimension: int) -> Reduction:
    """The reduction to `dimension` numbers that fits unit vectors (n, from), n at least 2 * dimension.

    MODEL_INVALID where there are too few vectors, or they vary in fewer directions.
    """
    if len(vectors) < 2 * dimension or dimension > vectors.shape[1]:
        raise invalid_model(
            f"Reducing {vectors.shape[1]} numbers to {dimension} is learned from {2 * dimension:,} pictures "
            f"or more; there are {len(vectors):,}."
        )
    mean = vectors.mean(axis=0, dtype=np.float64)
    centred = vectors.astype(np.float64) - mean
    variances, directions = np.linalg.eigh(centred.T @ centred / len(vectors))
    variances, directions = variances[::-1][:dimension], directions[:, ::-1][:, :dimension]
    if variances[-1] < _SMALLEST_SHARE * variances[0]:
        raise invalid_model(f"The pictures vary in fewer than {dimension} directions; give more of them.")
    matrix = (directions / np.sqrt(variances)).T
    return Reduction(matrix.astype(np.float32), (-matrix @ mean).astype(np.float32))

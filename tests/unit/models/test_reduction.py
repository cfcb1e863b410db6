import numpy as np
import pytest
from numpy.typing import NDArray

from soutu.domain.errors import SoutuError
from soutu.models.reduction import learn_reduction


def unit_vectors(count: int, dimension: int, inner: int) -> NDArray[np.float32]:
    """Unit vectors that vary in `inner` directions, unequally, around a mean."""
    lots = np.random.default_rng(3)
    basis = np.linalg.qr(lots.normal(size=(dimension, inner)))[0].T
    vectors = lots.normal(size=(count, inner)) * np.linspace(2, 0.5, inner) @ basis + 1.0
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def test_what_is_kept_is_white() -> None:
    vectors = unit_vectors(4000, 32, 12)
    reduction = learn_reduction(vectors, 8)
    whitened = vectors @ reduction.matrix.T + reduction.offset
    np.testing.assert_allclose(whitened.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(whitened.T @ whitened / len(whitened), np.eye(8), atol=1e-3)


def test_the_directions_that_are_kept_are_those_of_numpys_decomposition() -> None:
    vectors = unit_vectors(500, 16, 16)
    directions = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)[2][:4]
    kept = learn_reduction(vectors, 4).matrix
    kept = kept / np.linalg.norm(kept, axis=1, keepdims=True)
    np.testing.assert_allclose(np.abs((kept * directions).sum(axis=1)), 1, atol=1e-4)


def test_reduced_vectors_have_length_one() -> None:
    vectors = unit_vectors(100, 16, 16)
    reduced = learn_reduction(vectors, 6).apply(vectors)
    assert reduced.shape == (100, 6)
    assert reduced.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(reduced, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("count", "inner", "dimension", "sentence"),
    [(15, 16, 8, "16 pictures or more"), (100, 16, 17, "to 17"), (100, 4, 8, "fewer than 8 directions")],
)
def test_what_cannot_be_learned_is_refused(count: int, inner: int, dimension: int, sentence: str) -> None:
    with pytest.raises(SoutuError, match=sentence):
        learn_reduction(unit_vectors(count, 16, inner), dimension)

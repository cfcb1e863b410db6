"""What every vector index refuses, in the same words."""

from soutu.domain.embedding import Vector, Vectors
from soutu.domain.errors import Reason, SoutuError


def checked_dimension(vectors: Vector | Vectors, dimension: int) -> None:
    """VECTOR_INVALID unless the last axis is `dimension` long."""
    if vectors.shape[-1] != dimension:
        raise SoutuError(
            Reason.VECTOR_INVALID,
            f"The vector has {vectors.shape[-1]} components; the index's have {dimension}.",
            dimension=dimension,
        )


def unopened(generation: int) -> SoutuError:
    """The error for a generation that is not open."""
    return SoutuError(
        Reason.INDEX_UNREADY, "This generation's index is not open yet; retry later.", generation=generation
    )

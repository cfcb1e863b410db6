"""Qdrant Edge's failures as ours."""

from collections.abc import Iterator
from contextlib import contextmanager

from soutu.domain.errors import Reason, SoutuError

_IN_USE = "WouldBlock"  # what the engine's refusal of a locked write-ahead log contains


def is_in_use(error: BaseException) -> bool:
    """Whether another process, or another shard of this one, holds the folder."""
    return _IN_USE in str(error)


def in_use() -> SoutuError:
    """The refusal of a second process on the same directory."""
    return SoutuError(
        Reason.INDEX_UNAVAILABLE,
        "The vector index is in use by another process; a data directory has one server. Stop the other.",
    )


@contextmanager
def translated() -> Iterator[None]:
    """INDEX_UNAVAILABLE, with its cause, for whatever the engine raises.

    It raises bare Exceptions, and its panics (pyo3's PanicException) are BaseExceptions.
    """
    try:
        yield
    except (SoutuError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise SoutuError(Reason.INDEX_UNAVAILABLE) from error

"""Qdrant Edge's failures as ours."""

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


class translated:  # noqa: N801  # it is used as a function would be
    """Around calls of the engine: INDEX_UNAVAILABLE, with its cause, for whatever it raises.

    It raises bare Exceptions, and its panics (pyo3's PanicException) are BaseExceptions.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is not None and not isinstance(error, SoutuError | KeyboardInterrupt | SystemExit):
            raise SoutuError(Reason.INDEX_UNAVAILABLE) from error

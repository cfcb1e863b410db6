"""Milvus's failures as ours. No word of its messages reaches a client: the log has them."""

import grpc
from pymilvus.exceptions import MilvusException

from soutu.domain.errors import Reason, SoutuError

# Codes of Milvus's merr package, which pymilvus hands on as numbers.
_GONE = 100
_NOT_LOADED = frozenset({101, 103, 201, 202})
_COMING_UP = frozenset({400, 401, 500, 501, 503, 600, 601, 602, 901})  # replicas, channels, segments, nodes
_NO_DATABASE = 800
_LIMITED = frozenset({3, 4, 8, 9, 10})
_AWAY_CODES: frozenset[object] = frozenset({1, 2})
_AWAY: frozenset[object] = frozenset(
    {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}
)
_STRANGERS = frozenset({grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED})

_REFUSED = "auth check failure"
# UsageError comes of a channel that was closed meanwhile.
VENDOR_ERRORS = (MilvusException, grpc.RpcError, grpc.aio.UsageError, TimeoutError, OSError)


class MilvusAwayError(SoutuError):
    """Milvus does not answer."""

    def __init__(self) -> None:
        super().__init__(Reason.INDEX_UNAVAILABLE, "The Milvus server of index.url does not answer; retry.")


class CollectionGoneError(SoutuError):
    """Milvus does not know the generation's collection: it was never made, or was dropped."""

    def __init__(self) -> None:
        super().__init__(
            Reason.INDEX_UNREADY, "Milvus has no collection of this generation; it is made anew."
        )


class CollectionUnloadedError(SoutuError):
    """The generation's collection is not in Milvus's memory."""

    def __init__(self) -> None:
        super().__init__(
            Reason.INDEX_UNREADY,
            "Milvus has not loaded the generation's collection; it is loaded now. Retry.",
        )


class MilvusComingUpError(SoutuError):
    """Milvus answers, but not everything of it is there yet."""

    def __init__(self) -> None:
        super().__init__(Reason.INDEX_UNREADY, "Milvus is coming up; retry.")


def code_of(error: BaseException) -> object:
    """The code that the failure carries: a number of Milvus's, or a status of gRPC."""
    if isinstance(error, grpc.RpcError):
        return error.code()
    return error.code if isinstance(error, MilvusException) else None


def translated(error: BaseException) -> SoutuError:
    """The failure as ours."""
    code = code_of(error)
    if isinstance(error, TimeoutError | OSError) or code in _AWAY | _AWAY_CODES:
        return MilvusAwayError()
    if code in _STRANGERS or _says(error, _REFUSED):
        return SoutuError(
            Reason.INDEX_UNAVAILABLE,
            "Milvus refuses the service: see index.user, index.password and index.token.",
        )
    if code == _GONE:
        return CollectionGoneError()
    if code in _NOT_LOADED:
        return CollectionUnloadedError()
    if code in _COMING_UP:
        return MilvusComingUpError()
    if code == _NO_DATABASE:
        return SoutuError(Reason.INDEX_UNAVAILABLE, "Milvus has no database of the name in index.database.")
    if code in _LIMITED:
        return SoutuError(Reason.INDEX_UNAVAILABLE, "Milvus has reached one of its own limits; retry later.")
    return SoutuError(Reason.INDEX_UNAVAILABLE)


def _says(error: BaseException, words: str) -> bool:
    return isinstance(error, MilvusException) and words in str(error.message)

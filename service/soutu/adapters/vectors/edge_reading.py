"""Reading all of a shard, to find out whether it is whole."""

import qdrant_edge as edge

_POINTS_PER_SCROLL = 1_000  # the engine keeps the interpreter's lock for one scroll, some milliseconds


class ShardDamageError(Exception):
    """The files are there and are not a shard that can be trusted."""


class ShardOutdatedError(ShardDamageError):
    """The shard is whole, and another version of ours wrote it."""


def read_through(shard: edge.EdgeShard, dimension: int) -> None:
    """ShardDamageError, and the shard closed, unless every point has its vector and its payload."""
    try:
        count, whole = shard.count(edge.CountRequest()), _whole(shard, dimension)
    except BaseException as error:
        shard.close()
        raise ShardDamageError from error
    if whole != count:
        shard.close()
        raise ShardDamageError(f"{count - whole} of {count} points cannot be read")


def _whole(shard: edge.EdgeShard, dimension: int) -> int:
    """How many points have a vector of `dimension` components and a revision."""
    whole, after = 0, None
    while True:
        request = edge.ScrollRequest(
            offset=after, limit=_POINTS_PER_SCROLL, with_payload=["revision"], with_vector=True
        )
        records, after = shard.scroll(request)
        whole += sum(_is_whole(record, dimension) for record in records)
        if after is None:
            return whole


def _is_whole(record: edge.Record, dimension: int) -> bool:
    vector = record.vector
    return isinstance(vector, list) and len(vector) == dimension and "revision" in (record.payload or {})

"""Our points as the engine's, and what is read from the engine's."""

import qdrant_edge as edge

from soutu.adapters.vectors.edge_payload import payload_of
from soutu.domain.query import Point

REVISION = "revision"


def edge_point(point: Point) -> edge.Point:
    """The point with its fields and its revision as payload."""
    payload = {**payload_of(point.fields), REVISION: point.revision}
    return edge.Point(id=point.uid, vector=point.vector.tolist(), payload=payload)


def edge_copy(record: edge.Record) -> edge.Point:
    """The same point, to be written elsewhere, of a record that was fetched with vector and payload."""
    assert record.vector is not None
    return edge.Point(record.id, record.vector, record.payload)


def uid_of(point: edge.ScoredPoint | edge.Record) -> int:
    """The uid that it was written under."""
    assert isinstance(point.id, int)
    return point.id


def revision_of(point: edge.ScoredPoint | edge.Record) -> int:
    """The revision, of a point that was fetched with it."""
    assert point.payload is not None
    return int(point.payload[REVISION])

"""Our points as the engine's, and what is read from the engine's."""

from collections.abc import Mapping
from datetime import UTC, datetime
from math import isnan

import qdrant_edge as edge

from soutu.domain.query import Point

REVISION = "revision"


def edge_point(point: Point) -> edge.Point:
    """The point with its fields and its revision as payload."""
    payload = {**_payload(point.fields), REVISION: point.revision}
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


def _payload(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: _storable(value) for name, value in fields.items()}


def _storable(value: object) -> object:
    """The value as JSON has it: moments in RFC 3339 (UTC), tuples as lists, not-a-number as null."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, float) and isnan(value):
        return None
    return value

"""Points as rows of a Milvus collection, and the collection's schema."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pymilvus import AsyncMilvusClient, DataType

from soutu.adapters.vectors.kept import is_kept, key_of
from soutu.adapters.vectors.milvus_filter import moment_of
from soutu.domain.fields import is_set
from soutu.domain.query import Point

_FIELDS_BYTES = 60_000  # Milvus takes 65,536 of a JSON value
_NAME_BYTES = 512
_REQUEST_BYTES = 16 * 2**20  # Milvus takes 64 MiB
_ROWS_OF_A_REQUEST = 1_000


def schema_of(dimension: int) -> Any:
    """uid, revision, the image's id (`name`), the fields as one JSON value (attributes come and go, columns
    cannot), `cut` where they were too many to be kept, and the vector."""
    schema = AsyncMilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("uid", DataType.INT64, is_primary=True)
    schema.add_field("revision", DataType.INT64)
    schema.add_field("name", DataType.VARCHAR, max_length=_NAME_BYTES)
    schema.add_field("cut", DataType.BOOL)
    schema.add_field("fields", DataType.JSON)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
    return schema


def requests_of(points: Sequence[Point]) -> Iterator[list[dict[str, Any]]]:
    """The points, of each uid the last, as rows, as many at a time as one request takes."""
    rows = [_row(point) for point in {point.uid: point for point in points}.values()]
    if not rows:
        return
    size_bytes = _FIELDS_BYTES // 10 + rows[0]["vector"].nbytes
    at_a_time = max(1, min(_ROWS_OF_A_REQUEST, _REQUEST_BYTES // size_bytes))
    for first in range(0, len(rows), at_a_time):
        yield rows[first : first + at_a_time]


def fields_of_row(fields: Mapping[str, object]) -> dict[str, object]:
    """What is kept and set, by key: moments in microseconds, sets as lists, booleans as 0 or 1."""
    kept = {name: value for name, value in fields.items() if is_kept(name) and is_set(value)}
    return {key_of(name): _storable(value) for name, value in kept.items()}


def _row(point: Point) -> dict[str, Any]:
    fields = fields_of_row(point.fields)
    cut = len(json.dumps(fields, ensure_ascii=False).encode()) > _FIELDS_BYTES
    return {
        "uid": point.uid,
        "revision": point.revision,
        "name": str(point.fields.get("name", "")),
        "cut": cut,
        "fields": {} if cut else fields,
        "vector": point.vector,
    }


def _storable(value: object) -> object:
    if isinstance(value, datetime):
        return moment_of(value)
    if isinstance(value, tuple):
        return list(value)
    return int(value) if isinstance(value, bool) else value

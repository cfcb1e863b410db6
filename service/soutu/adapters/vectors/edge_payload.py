"""What is kept beside each vector so that searches can be filtered: some fields, each with its own index.

Not kept are texts of which nearly every image has one of its own: the catalogue finds those (narrows()).
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from math import isnan
from typing import Any

import qdrant_edge as edge

from soutu.domain.collection import AttributeType
from soutu.domain.fields import ATTRIBUTE_PREFIX, SYSTEM_FIELDS
from soutu.domain.filter import Field

_LEFT_OUT = {"name", "title", "source_uri", "content.sha256", "origin.path"}
_SYSTEM = {name: kind for name, kind in SYSTEM_FIELDS.items() if name not in _LEFT_OUT}
_KINDS = edge.PayloadSchemaType
# A boolean is kept as 0 or 1, because the engine's Python door takes True for the number 1 in conditions.
_INDEXES = {
    AttributeType.STRING: _KINDS.Keyword,
    AttributeType.STRINGS: _KINDS.Keyword,
    AttributeType.INTEGER: _KINDS.Integer,
    AttributeType.BOOLEAN: _KINDS.Integer,
    AttributeType.NUMBER: _KINDS.Float,
    AttributeType.TIMESTAMP: _KINDS.Datetime,
}
_KIND_OF_VALUE: tuple[tuple[type, Any], ...] = (
    (bool, _KINDS.Integer),
    (int, _KINDS.Integer),
    (float, _KINDS.Float),
    (str, _KINDS.Keyword),
    (tuple, _KINDS.Keyword),
    (datetime, _KINDS.Datetime),
)


def is_kept(field: Field) -> bool:
    """Whether points carry the field."""
    return field.name in _SYSTEM or field.name.startswith(ATTRIBUTE_PREFIX)


def key_of(name: str) -> str:
    """The field's key in payloads, which knows no dots: attributes begin with `a_`, and no other does."""
    if name.startswith(ATTRIBUTE_PREFIX):
        return f"a_{name.removeprefix(ATTRIBUTE_PREFIX)}"
    return name.replace(".", "_")


def payload_of(fields: Mapping[str, object]) -> dict[str, object]:
    """The fields that are kept, by key; what is not set has none."""
    kept = {name: value for name, value in fields.items() if is_kept(Field(name, AttributeType.STRING))}
    return {key_of(name): storable(value) for name, value in kept.items() if value is not None}


def storable(value: object) -> object:
    """The value as JSON has it: moments in RFC 3339 (UTC), sets as lists, not-a-number as null."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float) and isnan(value):
        return None
    return value


def system_indexes() -> dict[str, edge.PayloadSchemaType]:
    """The index of every key that all points may have."""
    return {key_of(name): _INDEXES[kind] for name, kind in _SYSTEM.items()}


def indexes_for(many_fields: Iterable[Mapping[str, object]]) -> dict[str, edge.PayloadSchemaType]:
    """The indexes of the keys that these fields have; an attribute's type is that of its value."""
    indexes = system_indexes()
    for fields in many_fields:
        for name, value in fields.items():
            if name.startswith(ATTRIBUTE_PREFIX) and key_of(name) not in indexes:
                kind = next((index for type_, index in _KIND_OF_VALUE if isinstance(value, type_)), None)
                if kind is not None:
                    indexes[key_of(name)] = kind
    return indexes


def create_indexes(shard: edge.EdgeShard, wanted: Mapping[str, edge.PayloadSchemaType]) -> None:
    """Makes those of the indexes that the shard lacks: some milliseconds each while it is empty."""
    for key, kind in wanted.items():
        shard.update(edge.UpdateOperation.create_field_index(key, kind))


def is_outdated(shard: edge.EdgeShard) -> bool:
    """Whether its points were written by a version that kept other fields beside them."""
    state = shard.info()
    return state.points_count > 0 and not system_indexes().keys() <= state.payload_schema.keys()

"""What is kept beside each vector in Qdrant Edge: the fields of `kept`, each with its own index."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from math import isnan

import qdrant_edge as edge

from soutu.adapters.vectors.kept import KEPT_SYSTEM, is_kept, key_of
from soutu.domain.collection import AttributeType
from soutu.domain.fields import ATTRIBUTE_PREFIX

Index = edge.KeywordIndexParams | edge.IntegerIndexParams | edge.FloatIndexParams | edge.DatetimeIndexParams


def _keyword() -> Index:
    return edge.KeywordIndexParams(enable_hnsw=False)


def _integer() -> Index:
    return edge.IntegerIndexParams(lookup=True, range=True, enable_hnsw=False)


def _float() -> Index:
    return edge.FloatIndexParams(enable_hnsw=False)


def _datetime() -> Index:
    return edge.DatetimeIndexParams(enable_hnsw=False)


# No field has links of its own in the graph: with those of all fields, building it takes six times as long.
# A boolean is kept as 0 or 1, because the engine's Python door takes True for the number 1 in conditions.
_INDEXES: Mapping[AttributeType, Callable[[], Index]] = {
    AttributeType.STRING: _keyword,
    AttributeType.STRINGS: _keyword,
    AttributeType.INTEGER: _integer,
    AttributeType.BOOLEAN: _integer,
    AttributeType.NUMBER: _float,
    AttributeType.TIMESTAMP: _datetime,
}
_INDEXES_OF_VALUES: tuple[tuple[type, Callable[[], Index]], ...] = (
    (int, _integer),  # bool is one
    (float, _float),
    (str, _keyword),
    (tuple, _keyword),
    (datetime, _datetime),
)


def payload_of(fields: Mapping[str, object]) -> dict[str, object]:
    """The fields that are kept, by key; what is not set has none."""
    kept = {name: value for name, value in fields.items() if is_kept(name)}
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


def wanted_indexes(many_fields: Iterable[Mapping[str, object]]) -> dict[str, Callable[[], Index]]:
    """The index of every key that all points may have, and of those that these have; an attribute's is made
    for the type of its value."""
    wanted = {key_of(name): _INDEXES[kind] for name, kind in KEPT_SYSTEM.items()}
    for fields in many_fields:
        for name, value in fields.items():
            if name.startswith(ATTRIBUTE_PREFIX) and key_of(name) not in wanted:
                index = next((index for kind, index in _INDEXES_OF_VALUES if isinstance(value, kind)), None)
                if index is not None:
                    wanted[key_of(name)] = index
    return wanted


def create_index(shard: edge.EdgeShard, key: str, index: Index) -> None:
    """Makes an index of a key: some milliseconds while no point has it."""
    shard.update(edge.UpdateOperation.create_field_index(key, index))


def is_outdated(shard: edge.EdgeShard) -> bool:
    """Whether its points were written by a version that kept other fields beside them."""
    state = shard.info()
    return state.points_count > 0 and not wanted_indexes(()).keys() <= state.payload_schema.keys()

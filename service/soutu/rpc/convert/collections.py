"""Collections, generations and the requests that make them."""

import re
from collections.abc import Mapping

from soutu.domain.collection import (
    AttributeType,
    Collection,
    CollectionChanges,
    CollectionDraft,
    CollectionStatistics,
    Generation,
    GenerationState,
    Head,
    IndexSpec,
    IndexType,
    checked_collection_id,
)
from soutu.domain.errors import invalid_field
from soutu.domain.model import ModelCard
from soutu.domain.revision import revision_text
from soutu.rpc.convert.basics import checked_text, timestamp
from soutu.rpc.convert.labels import label_set_messages, label_sets_of
from soutu.rpc.names import generation_path
from soutu.v1 import attribute_pb2, collection_pb2, collection_service_pb2

_ATTRIBUTE_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_ATTRIBUTE_LIMIT = 64
_PARAMETER_LIMIT = 100_000
_CHANGEABLE = frozenset(["display_name", "description", "attributes", "label_sets"])
_ATTRIBUTE_TYPES = {
    AttributeType.STRING: attribute_pb2.ATTRIBUTE_TYPE_STRING,
    AttributeType.INTEGER: attribute_pb2.ATTRIBUTE_TYPE_INTEGER,
    AttributeType.NUMBER: attribute_pb2.ATTRIBUTE_TYPE_NUMBER,
    AttributeType.BOOLEAN: attribute_pb2.ATTRIBUTE_TYPE_BOOLEAN,
    AttributeType.TIMESTAMP: attribute_pb2.ATTRIBUTE_TYPE_TIMESTAMP,
    AttributeType.STRINGS: attribute_pb2.ATTRIBUTE_TYPE_STRINGS,
}
_INDEX_TYPES = {
    IndexType.AUTO: collection_pb2.INDEX_TYPE_UNSPECIFIED,
    IndexType.FLAT: collection_pb2.INDEX_TYPE_FLAT,
    IndexType.HNSW: collection_pb2.INDEX_TYPE_HNSW,
    IndexType.DISKANN: collection_pb2.INDEX_TYPE_DISKANN,
    IndexType.IVF_FLAT: collection_pb2.INDEX_TYPE_IVF_FLAT,
    IndexType.IVF_SQ8: collection_pb2.INDEX_TYPE_IVF_SQ8,
    IndexType.IVF_PQ: collection_pb2.INDEX_TYPE_IVF_PQ,
}
_STATES = {
    GenerationState.BUILDING: collection_pb2.Generation.STATE_BUILDING,
    GenerationState.READY: collection_pb2.Generation.STATE_READY,
    GenerationState.FAILED: collection_pb2.Generation.STATE_FAILED,
}


def draft_of(request: collection_service_pb2.CreateCollectionRequest, card: ModelCard) -> CollectionDraft:
    """The collection that a request asks for, with the model of this card."""
    message = request.collection
    return CollectionDraft(
        id=checked_collection_id(request.collection_id),
        model=card.ref,
        dimension=card.dimension,
        index=index_spec(message.index, "collection.index"),
        display_name=checked_text(message.display_name, "collection.display_name", 128),
        description=checked_text(message.description, "collection.description", 1_024),
        attributes=_schema(message.attributes),
        label_sets=label_sets_of(message.label_sets),
    )


def _schema(messages: Mapping[str, attribute_pb2.Attribute]) -> Mapping[str, AttributeType]:
    if len(messages) > _ATTRIBUTE_LIMIT:
        raise invalid_field("collection.attributes", f"must be at most {_ATTRIBUTE_LIMIT}")
    kinds = {number: kind for kind, number in _ATTRIBUTE_TYPES.items()}
    schema = {}
    for name, message in messages.items():
        field = f"collection.attributes.{name}"
        if not _ATTRIBUTE_NAME.fullmatch(name):
            raise invalid_field(field, "attribute names are [a-z][a-z0-9_]{0,62}")
        if message.type not in kinds:
            raise invalid_field(f"{field}.type", "must be one of the attribute types")
        schema[name] = kinds[message.type]
    return schema


def changes_of(request: collection_service_pb2.UpdateCollectionRequest) -> CollectionChanges:
    """The changes that a request asks for: the fields in its mask, else those that are filled in."""
    message = request.collection
    paths = list(request.update_mask.paths)
    if not paths:
        paths = [field.name for field, _ in message.ListFields() if field.name not in ("name", "etag")]
    for path in paths:
        if path not in _CHANGEABLE:
            raise invalid_field("update_mask", f"{path!r} is not a field that can be changed")
    named, described = "display_name" in paths, "description" in paths
    return CollectionChanges(
        display_name=checked_text(message.display_name, "collection.display_name", 128) if named else None,
        description=checked_text(message.description, "collection.description", 1_024) if described else None,
        attributes=_schema(message.attributes) if "attributes" in paths else {},
        label_sets=label_sets_of(message.label_sets) if "label_sets" in paths else None,
    )


def statistics_message(statistics: CollectionStatistics) -> collection_service_pb2.CollectionStatistics:
    """The message for a collection's numbers."""
    return collection_service_pb2.CollectionStatistics(
        image_count=statistics.image_count,
        content_count=statistics.content_count,
        content_bytes=statistics.content_bytes,
        media_types=statistics.media_types,
        earliest_capture_time=timestamp(statistics.earliest_capture_time),
        latest_capture_time=timestamp(statistics.latest_capture_time),
    )


def index_spec(message: collection_pb2.Index, field: str) -> IndexSpec:
    """The index that a message at `field` asks for."""
    kinds = {number: kind for kind, number in _INDEX_TYPES.items()}
    if message.type not in kinds:
        raise invalid_field(f"{field}.type", "must be one of the index types")
    for name, value in message.parameters.items():
        if not 0 < value <= _PARAMETER_LIMIT:
            raise invalid_field(f"{field}.parameters.{name}", f"must be from 1 to {_PARAMETER_LIMIT}")
    if not 0 <= message.candidates <= 10_000:
        raise invalid_field(f"{field}.candidates", "must be from 0 to 10000")
    return IndexSpec(kinds[message.type], dict(message.parameters), message.candidates)


def collection_message(head: Head) -> collection_pb2.Collection:
    """The message for a collection with its active generation."""
    collection, generation = head.collection, head.generation
    return collection_pb2.Collection(
        name=f"collections/{collection.id}",
        uid=str(collection.uid),
        etag=collection.etag,
        create_time=timestamp(collection.create_time),
        update_time=timestamp(collection.update_time),
        display_name=collection.display_name,
        description=collection.description,
        model=f"models/{generation.model}",
        index=_index_message(generation.index),
        attributes={
            name: attribute_pb2.Attribute(type=_ATTRIBUTE_TYPES[kind])
            for name, kind in collection.attributes.items()
        },
        active_generation=generation_path(collection.id, generation.id),
        image_count=collection.image_count,
        revision=revision_text(collection.uid, collection.revision),
        label_sets=label_set_messages(collection.label_sets),
    )


def generation_message(
    collection: Collection, generation: Generation, followed: int
) -> collection_pb2.Generation:
    """The message for a generation of which everything up to `followed` is in the index."""
    return collection_pb2.Generation(
        name=generation_path(collection.id, generation.id),
        uid=str(generation.uid),
        model=f"models/{generation.model}",
        index=_index_message(generation.index),
        state=_STATES[generation.state],
        active=generation.uid == collection.active_generation,
        followed_revision=revision_text(collection.uid, followed),
        pending_changes=max(collection.revision - followed, 0),
        image_count=collection.image_count,
        create_time=timestamp(generation.create_time),
        publish_time=timestamp(generation.publish_time),
    )


def _index_message(index: IndexSpec) -> collection_pb2.Index:
    return collection_pb2.Index(
        type=_INDEX_TYPES[index.type], parameters=index.parameters, candidates=index.candidates
    )

"""Collections, their attribute schemas, and the generations of their index."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from soutu.domain.errors import invalid_field
from soutu.domain.labels import LabelSet
from soutu.domain.model import ModelRef

_GENERATION_ID = re.compile(r"[a-z0-9._-]{1,64}")
_COLLECTION_ID = re.compile(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?")


def checked_collection_id(text: str, name: str = "collection_id") -> str:
    """`text` if it is a collection id, else FIELD_INVALID naming the field `name`."""
    if not _COLLECTION_ID.fullmatch(text):
        raise invalid_field(
            name,
            "must be 1 to 64 characters of a-z, 0-9, '.', '_' and '-', starting and ending with a-z or 0-9",
        )
    return text


def checked_generation_id(text: str, name: str = "generation_id") -> str:
    """`text` if it is a generation id, else FIELD_INVALID naming the field `name`."""
    if not _GENERATION_ID.fullmatch(text):
        raise invalid_field(name, "must be 1 to 64 characters of a-z, 0-9, '.', '_' and '-'")
    return text


class AttributeType(StrEnum):
    """The types that a collection's own attributes may have."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"
    STRINGS = "strings"


class IndexType(StrEnum):
    """Kinds of vector index. AUTO leaves the choice to the store and the collection's size."""

    AUTO = "auto"
    FLAT = "flat"
    HNSW = "hnsw"
    DISKANN = "diskann"
    IVF_FLAT = "ivf_flat"
    IVF_SQ8 = "ivf_sq8"
    IVF_PQ = "ivf_pq"


@dataclass(frozen=True, slots=True)
class IndexSpec:
    """An index type with its build parameters (such as {"m": 16}) and the default candidate-list size.

    `candidates` is what a search without its own takes: ef for HNSW, search_list for DISKANN; 0 leaves it
    to the store.
    """

    type: IndexType = IndexType.AUTO
    parameters: Mapping[str, int] = field(default_factory=dict)
    candidates: int = 0


class GenerationState(StrEnum):
    """Where a generation is in its life."""

    BUILDING = "building"  # being filled; not searched
    READY = "ready"  # built and following; may be searched by name and published
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Generation:
    """One built index of a collection.

    `followed` is the collection's revision up to which every change is durably in the index.
    """

    uid: int
    collection_uid: int
    id: str
    model: ModelRef
    dimension: int
    index: IndexSpec
    state: GenerationState
    followed: int
    create_time: datetime
    publish_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Collection:
    """A named set of images with one attribute schema. `revision` counts changed images."""

    uid: int
    id: str
    display_name: str
    description: str
    attributes: Mapping[str, AttributeType]
    revision: int
    active_generation: int
    image_count: int
    create_time: datetime
    update_time: datetime
    etag: str = ""
    label_sets: tuple[LabelSet, ...] = ()


@dataclass(frozen=True, slots=True)
class Head:
    """A collection and the generation that a call works with, as they were at one moment."""

    collection: Collection
    generation: Generation


@dataclass(frozen=True, slots=True)
class CollectionDraft:
    """A collection to be made, with its first generation."""

    id: str
    model: ModelRef
    dimension: int
    index: IndexSpec = IndexSpec()
    display_name: str = ""
    description: str = ""
    attributes: Mapping[str, AttributeType] = field(default_factory=dict)
    label_sets: tuple[LabelSet, ...] = ()


@dataclass(frozen=True, slots=True)
class GenerationDraft:
    """A further generation to be made; an empty id has one made."""

    id: str
    model: ModelRef
    dimension: int
    index: IndexSpec


@dataclass(frozen=True, slots=True)
class CollectionChanges:
    """What is to change of a collection; None leaves a text, or the label sets, as they are. Attributes are
    only ever added."""

    display_name: str | None = None
    description: str | None = None
    attributes: Mapping[str, AttributeType] = field(default_factory=dict)
    label_sets: tuple[LabelSet, ...] | None = None


@dataclass(frozen=True, slots=True)
class CollectionStatistics:
    """Numbers about a collection's images. `media_types` counts images; `content_bytes` counts bytes that
    several images share once."""

    image_count: int
    content_count: int
    content_bytes: int
    media_types: Mapping[str, int]
    earliest_capture_time: datetime | None = None
    latest_capture_time: datetime | None = None

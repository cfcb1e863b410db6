"""Exports: a collection as files that other programs read, and that can be taken in again."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from soutu.domain.collection import AttributeType
from soutu.domain.embedding import Vector
from soutu.domain.image import Image
from soutu.domain.model import ModelRef


class ExportFormat(StrEnum):
    """How an export is written."""

    PARQUET = "parquet"
    HDF5 = "hdf5"


@dataclass(frozen=True, slots=True)
class ExportHeader:
    """What is the same for all images of an export. `dimension` is that of the embeddings under `model`."""

    format: ExportFormat
    collection_id: str
    attributes: Mapping[str, AttributeType]
    model: ModelRef
    dimension: int


@dataclass(frozen=True, slots=True)
class Exported:
    """An image with its embedding, float32 (dimension,), None where it has none. Of an image that was read
    from an export, `uid`, `collection_uid` and `revision` are 0."""

    image: Image
    vector: Vector | None

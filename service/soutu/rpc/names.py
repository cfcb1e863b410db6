"""Resource names: from text to ids and back."""

import re
from dataclasses import dataclass

from soutu.domain.collection import checked_collection_id
from soutu.domain.errors import invalid_field
from soutu.domain.image import checked_image_id

_COLLECTION = re.compile(r"collections/([^/]+)(?:/generations/([^/]+))?")
_IMAGE = re.compile(r"collections/([^/]+)/images/([^/]+)")
_MODEL = re.compile(r"models/([^/]+)")
_OPERATION = re.compile(r"operations/([A-Za-z0-9_-]{1,64})")


@dataclass(frozen=True, slots=True)
class CollectionName:
    """A collection, or one of its generations where `generation_id` is not empty."""

    collection_id: str
    generation_id: str = ""


@dataclass(frozen=True, slots=True)
class ImageName:
    """An image of a collection."""

    collection_id: str
    image_id: str

    def __str__(self) -> str:
        return f"collections/{self.collection_id}/images/{self.image_id}"


def collection_id(text: str, field: str) -> str:
    """The id in collections/{collection}; FIELD_INVALID naming `field` for anything else."""
    name = collection_name(text, field)
    if name.generation_id:
        raise invalid_field(field, "must be collections/{collection}, without a generation")
    return name.collection_id


def collection_name(text: str, field: str) -> CollectionName:
    """The ids in collections/{collection} or collections/{collection}/generations/{generation}."""
    found = _COLLECTION.fullmatch(text)
    if not found:
        raise invalid_field(field, "must be collections/{collection}, or one of its generations")
    return CollectionName(checked_collection_id(found[1], field), found[2] or "")


def generation_name(text: str, field: str) -> CollectionName:
    """The ids in collections/{collection}/generations/{generation}."""
    name = collection_name(text, field)
    if not name.generation_id:
        raise invalid_field(field, "must be collections/{collection}/generations/{generation}")
    return name


def image_name(text: str, field: str) -> ImageName:
    """The ids in collections/{collection}/images/{image}."""
    found = _IMAGE.fullmatch(text)
    if not found:
        raise invalid_field(field, "must be collections/{collection}/images/{image}")
    return ImageName(checked_collection_id(found[1], field), checked_image_id(found[2], field))


def image_id_in(text: str, collection: str, field: str) -> str:
    """The image id in the name of an image of `collection`; FIELD_INVALID for another collection's."""
    name = image_name(text, field)
    if name.collection_id != collection:
        raise invalid_field(field, f"must be an image of collections/{collection}")
    return name.image_id


def model_name(text: str, field: str) -> str:
    """The `name` or `name@version` in models/{name}@{version}."""
    found = _MODEL.fullmatch(text)
    if not found:
        raise invalid_field(field, "must be models/{name}@{version} or models/{name}")
    return found[1]


def operation_id(text: str, field: str = "name") -> str:
    """The id in operations/{operation}."""
    found = _OPERATION.fullmatch(text)
    if not found:
        raise invalid_field(field, "must be operations/{operation}")
    return found[1]


def generation_path(collection: str, generation: str) -> str:
    """The name of a generation."""
    return f"collections/{collection}/generations/{generation}"

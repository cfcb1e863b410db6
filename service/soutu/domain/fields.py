"""The fields of an image that filters, orders and facets can name."""

from collections.abc import Mapping
from math import isnan

from soutu.domain.collection import AttributeType
from soutu.domain.image import Image

ATTRIBUTE_PREFIX = "attributes."

SYSTEM_FIELDS: Mapping[str, AttributeType] = {
    "name": AttributeType.STRING,
    "title": AttributeType.STRING,
    "tags": AttributeType.STRINGS,
    "category": AttributeType.STRING,
    "rating": AttributeType.INTEGER,
    "source_uri": AttributeType.STRING,
    "create_time": AttributeType.TIMESTAMP,
    "update_time": AttributeType.TIMESTAMP,
    "content.sha256": AttributeType.STRING,
    "content.size_bytes": AttributeType.INTEGER,
    "content.width": AttributeType.INTEGER,
    "content.height": AttributeType.INTEGER,
    "content.media_type": AttributeType.STRING,
    "exif.camera": AttributeType.STRING,
    "exif.lens": AttributeType.STRING,
    "exif.capture_time": AttributeType.TIMESTAMP,
    "keeping": AttributeType.STRING,
    "origin.source": AttributeType.STRING,
    "origin.path": AttributeType.STRING,
    "labels": AttributeType.STRINGS,
}


def fields_of(image: Image) -> Mapping[str, object]:
    """The values of an image's fields, by name; what is not set, is empty or not a number is left out.

    `name` is the image's id. Sets are tuples, times are aware.
    """
    metadata, content, origin = image.metadata, image.content, image.origin
    fields: dict[str, object] = {
        "name": image.id,
        "title": metadata.title,
        "tags": metadata.tags,
        "category": metadata.category,
        "rating": metadata.rating,
        "source_uri": metadata.source_uri,
        "create_time": image.create_time,
        "update_time": image.update_time,
        "content.sha256": content.sha256,
        "content.size_bytes": content.size_bytes,
        "content.width": content.width,
        "content.height": content.height,
        "content.media_type": content.media_type,
        "exif.camera": content.exif.camera,
        "exif.lens": content.exif.lens,
        "exif.capture_time": content.exif.captured_at,
        "keeping": image.original.keeping.value,
        "origin.source": origin and origin.source,
        "origin.path": origin and origin.path,
        "labels": labels_of(image),
    }
    fields |= {f"{ATTRIBUTE_PREFIX}{name}": value for name, value in metadata.attributes.items()}
    return {name: value for name, value in fields.items() if is_set(value)}


def labels_of(image: Image) -> tuple[str, ...]:
    """The image's labels of all sets, each once, without their probabilities."""
    return tuple(dict.fromkeys(each.label for each in image.labels))


def is_set(value: object) -> bool:
    """Whether a field with this value is set: None, an empty text or set, and NaN are not."""
    return value is not None and value not in ("", ()) and not (isinstance(value, float) and isnan(value))

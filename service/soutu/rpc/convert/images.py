"""Images, their metadata and attributes."""

from collections.abc import Mapping

from soutu.domain.collection import AttributeType
from soutu.domain.errors import invalid_field
from soutu.domain.image import AttributeValue, Image, Keeping, Metadata
from soutu.rpc.convert.basics import checked_text, moment, timestamp
from soutu.rpc.names import ImageName
from soutu.v1 import attribute_pb2, image_pb2

KEEPINGS = {
    Keeping.STORED: image_pb2.KEEPING_STORED,
    Keeping.REFERENCED: image_pb2.KEEPING_REFERENCED,
}
_VALUE_FIELDS = {
    "string_value": AttributeType.STRING,
    "integer_value": AttributeType.INTEGER,
    "number_value": AttributeType.NUMBER,
    "boolean_value": AttributeType.BOOLEAN,
    "timestamp_value": AttributeType.TIMESTAMP,
    "strings_value": AttributeType.STRINGS,
}


def image_message(image: Image, collection_id: str) -> image_pb2.Image:
    """The message for an image of the collection with this id."""
    metadata, origin = image.metadata, image.origin
    return image_pb2.Image(
        name=str(ImageName(collection_id, image.id)),
        uid=str(image.uid),
        etag=image.etag,
        create_time=timestamp(image.create_time),
        update_time=timestamp(image.update_time),
        title=metadata.title,
        tags=metadata.tags,
        source_uri=metadata.source_uri,
        category=metadata.category,
        rating=metadata.rating,
        attributes={name: _value_message(value) for name, value in metadata.attributes.items()},
        content=_content_message(image),
        exif=_exif_message(image),
        keeping=KEEPINGS[image.original.keeping],
        origin=image_pb2.Origin(source=origin.source, path=origin.path) if origin else None,
    )


def metadata_of(message: image_pb2.Image, schema: Mapping[str, AttributeType], prefix: str) -> Metadata:
    """What the message says of an image, within the contract's limits; FIELD_INVALID otherwise."""
    if not 0 <= message.rating <= 5:
        raise invalid_field(f"{prefix}rating", "must be from 0 to 5")
    return Metadata(
        title=checked_text(message.title, f"{prefix}title", 512),
        tags=_strings(list(message.tags), f"{prefix}tags", 128),
        source_uri=checked_text(message.source_uri, f"{prefix}source_uri", 2_048),
        category=checked_text(message.category, f"{prefix}category", 128),
        rating=message.rating,
        attributes={
            name: _value(value, schema, name, f"{prefix}attributes.{name}")
            for name, value in message.attributes.items()
        },
    )


def _strings(texts: list[str], field: str, length: int) -> tuple[str, ...]:
    if len(texts) > 64:
        raise invalid_field(field, "must be at most 64")
    if "" in texts:  # no filter could name it
        raise invalid_field(field, "must not be empty texts")
    return tuple(dict.fromkeys(checked_text(text, field, length) for text in texts))


def _value(
    message: attribute_pb2.AttributeValue, schema: Mapping[str, AttributeType], name: str, field: str
) -> AttributeValue:
    if name not in schema:
        raise invalid_field(field, "is not an attribute of the collection")
    kind = message.WhichOneof("value")
    if kind is None or _VALUE_FIELDS[kind] is not schema[name]:
        raise invalid_field(field, f"must be of type {schema[name]}")
    match kind:
        case "string_value":
            return checked_text(message.string_value, field, 1_024)
        case "timestamp_value":
            return moment(message.timestamp_value, field)
        case "strings_value":
            return _strings(list(message.strings_value.values), field, 1_024)
        case "number_value" if message.number_value - message.number_value != 0:
            raise invalid_field(field, "must be a finite number")
    value: int | float | bool = getattr(message, kind)
    return value


def _value_message(value: AttributeValue) -> attribute_pb2.AttributeValue:
    match value:
        case bool():
            return attribute_pb2.AttributeValue(boolean_value=value)
        case int():
            return attribute_pb2.AttributeValue(integer_value=value)
        case float():
            return attribute_pb2.AttributeValue(number_value=value)
        case str():
            return attribute_pb2.AttributeValue(string_value=value)
        case tuple():
            return attribute_pb2.AttributeValue(strings_value=attribute_pb2.StringValues(values=value))
    return attribute_pb2.AttributeValue(timestamp_value=timestamp(value))


def _content_message(image: Image) -> image_pb2.Content:
    content = image.content
    return image_pb2.Content(
        sha256=content.sha256,
        size_bytes=content.size_bytes,
        width=content.width,
        height=content.height,
        media_type=content.media_type,
    )


def _exif_message(image: Image) -> image_pb2.Exif:
    exif = image.content.exif
    return image_pb2.Exif(camera=exif.camera, lens=exif.lens, capture_time=timestamp(exif.captured_at))

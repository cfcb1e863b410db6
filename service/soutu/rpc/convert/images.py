"""Images, their metadata and attributes."""

from collections.abc import Mapping

from soutu.domain.collection import AttributeType
from soutu.domain.errors import invalid_field
from soutu.domain.image import AttributeValue, Content, Image, Keeping, Metadata
from soutu.rpc.convert.basics import checked_text, fill_timestamp, moment
from soutu.rpc.convert.labels import label_messages
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
    message = image_pb2.Image()
    fill_image(message, image, collection_id)
    return message


def fill_image(message: image_pb2.Image, image: Image, collection_id: str) -> None:
    """Writes an image of the collection with this id into an empty message: in place, as a message that is
    given to another's constructor is copied with all that it holds, and an answer has many."""
    message.name = str(ImageName(collection_id, image.id))
    message.uid = str(image.uid)
    message.etag = image.etag
    fill_timestamp(message.create_time, image.create_time)
    fill_timestamp(message.update_time, image.update_time)
    message.keeping = KEEPINGS[image.original.keeping]
    _fill_metadata(message, image.metadata)
    _fill_content(message, image.content)
    if image.origin:
        message.origin.source = image.origin.source
        message.origin.path = image.origin.path
    if image.labels:
        message.labels.extend(label_messages(image))


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


def _fill_metadata(message: image_pb2.Image, metadata: Metadata) -> None:
    message.title = metadata.title
    message.tags.extend(metadata.tags)
    message.source_uri = metadata.source_uri
    message.category = metadata.category
    message.rating = metadata.rating
    for name, value in metadata.attributes.items():
        _fill_value(message.attributes[name], value)


def _fill_value(message: attribute_pb2.AttributeValue, value: AttributeValue) -> None:
    match value:
        case bool():
            message.boolean_value = value
        case int():
            message.integer_value = value
        case float():
            message.number_value = value
        case str():
            message.string_value = value
        case tuple():
            message.strings_value.SetInParent()  # also where there are none
            message.strings_value.values.extend(value)
        case _:
            fill_timestamp(message.timestamp_value, value)


def _fill_content(message: image_pb2.Image, content: Content) -> None:
    kept, exif = message.content, message.exif
    kept.sha256 = content.sha256
    kept.size_bytes = content.size_bytes
    kept.width = content.width
    kept.height = content.height
    kept.media_type = content.media_type
    exif.SetInParent()  # also where nothing is known
    exif.camera = content.exif.camera
    exif.lens = content.exif.lens
    if content.exif.captured_at:
        fill_timestamp(exif.capture_time, content.exif.captured_at)

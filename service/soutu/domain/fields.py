"""The fields of an image that filters, orders and facets can name."""

from collections.abc import Mapping

from soutu.domain.image import Image


def fields_of(image: Image) -> Mapping[str, object]:
    """The fields that an index keeps beside an image's vector, by name; unset ones are left out."""
    metadata, content = image.metadata, image.content
    fields: dict[str, object] = {
        "id": image.id,
        "title": metadata.title,
        "tags": metadata.tags,
        "category": metadata.category,
        "rating": metadata.rating,
        "media_type": content.media_type,
        "width": content.width,
        "height": content.height,
        "size_bytes": content.size_bytes,
        "create_time": image.create_time,
        "update_time": image.update_time,
        "capture_time": content.exif.captured_at,
        "camera": content.exif.camera,
        "lens": content.exif.lens,
    }
    fields |= {f"attributes.{name}": value for name, value in metadata.attributes.items()}
    return {name: value for name, value in fields.items() if value not in (None, "", ())}

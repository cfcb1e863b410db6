"""Images to flat records and back: the columns that both formats share."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from soutu.domain.collection import AttributeType
from soutu.domain.image import Content, Exif, Image, Keeping, Metadata, Origin, Original

PREFIX = "attributes."
Record = Mapping[str, Any]


def record_of(image: Image, attributes: Mapping[str, AttributeType]) -> dict[str, Any]:
    """The image by column; every attribute of the schema is there, None where the image has none."""
    content, metadata, origin = image.content, image.metadata, image.origin
    return {
        "id": image.id,
        "sha256": content.sha256,
        "size_bytes": content.size_bytes,
        "width": content.width,
        "height": content.height,
        "media_type": content.media_type,
        "camera": content.exif.camera,
        "lens": content.exif.lens,
        "capture_time": content.exif.captured_at,
        "title": metadata.title,
        "tags": list(metadata.tags),
        "source_uri": metadata.source_uri,
        "category": metadata.category,
        "rating": metadata.rating,
        "keeping": image.original.keeping.value,
        "original_path": image.original.path,
        "original_mtime_ns": image.original.mtime_ns,
        "origin_source": origin and origin.source,
        "origin_path": origin and origin.path,
        "create_time": image.create_time,
        "update_time": image.update_time,
        **{
            f"{PREFIX}{name}": _plain(metadata.attributes.get(name), kind)
            for name, kind in attributes.items()
        },
    }


def image_of(record: Record) -> Image:
    """The image of a record; KeyError, TypeError or ValueError for one that is none."""
    source = record["origin_source"]
    exif = Exif(record["camera"], record["lens"], _moment(record["capture_time"]))
    return Image(
        uid=0,
        collection_uid=0,
        id=record["id"],
        revision=0,
        content=Content(
            record["sha256"],
            int(record["size_bytes"]),
            int(record["width"]),
            int(record["height"]),
            record["media_type"],
            exif,
        ),
        original=Original(
            Keeping(record["keeping"]), record["original_path"], int(record["original_mtime_ns"])
        ),
        metadata=_metadata(record),
        create_time=_moment(record["create_time"]) or datetime.now(UTC),
        update_time=_moment(record["update_time"]) or datetime.now(UTC),
        origin=None if source is None else Origin(source, record["origin_path"]),
    )


def _metadata(record: Record) -> Metadata:
    values = {name[len(PREFIX) :]: value for name, value in record.items() if name.startswith(PREFIX)}
    return Metadata(
        title=record["title"],
        tags=tuple(record["tags"]),
        source_uri=record["source_uri"],
        category=record["category"],
        rating=int(record["rating"]),
        attributes={
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
            if value is not None
        },
    )


def _plain(value: Any, kind: AttributeType) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return float(value) if kind is AttributeType.NUMBER and value is not None else value


def _moment(value: Any) -> datetime | None:
    if value is None:
        return None
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(moment, datetime):
        raise ValueError("a time was expected")
    return moment.astimezone(UTC)

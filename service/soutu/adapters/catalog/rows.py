"""Rows to domain values and back. A row of an image is read in the order of IMAGE_COLUMNS."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Select, select

from soutu.adapters.catalog.tables import contents, images
from soutu.domain.collection import (
    AttributeType,
    Collection,
    Generation,
    GenerationState,
    IndexSpec,
    IndexType,
)
from soutu.domain.fields import labels_of
from soutu.domain.image import Content, Exif, Image, Keeping, Metadata, Origin, Original
from soutu.domain.labels import Label, LabelSet, PredictedLabel
from soutu.domain.model import ModelRef

_CONTENT_COLUMNS: tuple[Column[Any], ...] = tuple(
    contents.c[name]
    for name in (
        "size_bytes",
        "width",
        "height",
        "media_type",
        "exif_camera",
        "exif_lens",
        "exif_captured_at",
    )
)
IMAGE_COLUMNS: tuple[Column[Any], ...] = (
    *(column for column in images.c if column.name not in ("origin_key", "sidecar", "labels", "predictions")),
    *_CONTENT_COLUMNS,
    images.c.sidecar,
    images.c.predictions,
)
KEEPINGS = {keeping.value: keeping for keeping in Keeping}


def select_images() -> Select[Any]:
    """Images with their contents, in the columns that `image_of` reads."""
    return select(*IMAGE_COLUMNS).join(contents, contents.c.sha256 == images.c.sha256)


def image_of(row: Iterable[Any]) -> Image:
    """The image of one row in the order of IMAGE_COLUMNS; what an earlier version kept lacks the last
    ones."""
    (
        uid, collection_uid, image_id, revision, sha256, keeping, path, mtime_ns,
        title, tags, source_uri, category, rating, attributes, source, source_path, created, updated,
        size_bytes, width, height, media_type, camera, lens, captured_at, *later,
    ) = row  # fmt: skip
    sidecar, predictions = (*later, "", None)[:2] if len(later) < 2 else later
    return Image(
        uid=uid,
        collection_uid=collection_uid,
        id=image_id,
        revision=revision,
        content=Content(sha256, size_bytes, width, height, media_type, Exif(camera, lens, captured_at)),
        original=Original(KEEPINGS[keeping], path, mtime_ns, sidecar),
        metadata=Metadata(title, tuple(tags), source_uri, category, rating, _frozen(attributes)),
        create_time=created,
        update_time=updated,
        origin=None if source is None else Origin(source, source_path),
        labels=tuple(PredictedLabel(*each) for each in predictions or ()),
    )


def image_values(image: Image) -> dict[str, Any]:
    """The image's row of `images`, its uid included."""
    metadata, origin = image.metadata, image.origin
    return {
        "uid": image.uid,
        "collection_uid": image.collection_uid,
        "id": image.id,
        "revision": image.revision,
        "sha256": image.content.sha256,
        "keeping": image.original.keeping.value,
        "original_path": image.original.path,
        "original_mtime_ns": image.original.mtime_ns,
        "title": metadata.title,
        "tags": metadata.tags,
        "source_uri": metadata.source_uri,
        "category": metadata.category,
        "rating": metadata.rating,
        "attributes": dict(metadata.attributes),
        "origin_source": origin and origin.source,
        "origin_path": origin and origin.path,
        "origin_key": origin_key(origin),
        "create_time": image.create_time,
        "update_time": image.update_time,
        "sidecar": image.original.sidecar,
        "labels": labels_of(image) or None,
        "predictions": [(each.label_set, each.label, each.probability) for each in image.labels] or None,
    }


def content_values(content: Content) -> dict[str, Any]:
    """The content's row of `contents`, less what a sweep notes."""
    return {
        "sha256": content.sha256,
        "size_bytes": content.size_bytes,
        "width": content.width,
        "height": content.height,
        "media_type": content.media_type,
        "exif_camera": content.exif.camera,
        "exif_lens": content.exif.lens,
        "exif_captured_at": content.exif.captured_at,
    }


def image_list(image: Image) -> list[Any]:
    """The image as a JSON-like list in the order of IMAGE_COLUMNS, for `image_of` to read again."""
    values = content_values(image.content) | image_values(image)
    return [values[column.name] for column in IMAGE_COLUMNS]


def origin_key(origin: Origin | None) -> str | None:
    """What makes an origin unique in its collection; None, which never collides, for an image without."""
    if origin is None:
        return None
    return hashlib.sha256(f"{origin.source}\0{origin.path}".encode("utf-8", "surrogatepass")).hexdigest()


def hashed_id(image_id: str) -> str:
    """What a purged image's tombstone has in place of its id; no id looks like it."""
    return f"#{hashlib.sha256(image_id.encode()).hexdigest()}"


def collection_of(row: Mapping[str, Any]) -> Collection:
    """The collection of a row of `collections`; its etag changes with its own fields, not with its images."""
    return Collection(
        uid=row["uid"],
        id=row["id"],
        display_name=row["display_name"],
        description=row["description"],
        attributes={name: AttributeType(kind) for name, kind in row["attributes"].items()},
        revision=row["revision"],
        active_generation=row["active_generation"],
        image_count=row["image_count"],
        create_time=row["create_time"],
        update_time=row["update_time"],
        etag=f"{row['uid']}-{int(row['update_time'].timestamp() * 1_000_000)}",
        label_sets=_label_sets(row["label_sets"]),
    )


def label_sets_value(sets: Sequence[LabelSet]) -> Any:
    """The label sets as JSON-like lists; None for none."""
    return [(each.name, [(label.label, label.prompts) for label in each.labels]) for each in sets] or None


def _label_sets(value: Any) -> tuple[LabelSet, ...]:
    return tuple(
        LabelSet(name, tuple(Label(label, tuple(prompts)) for label, prompts in labels))
        for name, labels in value or ()
    )


def generation_of(row: Mapping[str, Any]) -> Generation:
    """The generation of a row of `generations`."""
    return Generation(
        uid=row["uid"],
        collection_uid=row["collection_uid"],
        id=row["id"],
        model=ModelRef(row["model_name"], row["model_version"]),
        dimension=row["dimension"],
        index=IndexSpec(IndexType(row["index_type"]), row["index_parameters"], row["index_candidates"]),
        state=GenerationState(row["state"]),
        followed=row["followed"],
        create_time=row["create_time"],
        publish_time=row["publish_time"],
    )


def chunks(items: Sequence[Any], size: int) -> Iterable[Sequence[Any]]:
    """`items` in runs of at most `size`, below every database's limit on bound values."""
    return (items[start : start + size] for start in range(0, len(items), size))


def _frozen(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if type(value) is list else value for name, value in attributes.items()}

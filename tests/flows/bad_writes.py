"""Bad calls of the other services, by name: the call, and the status, reason and field of its refusal."""

from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from soutu.v1.collection_pb2 import Collection, Index
from soutu.v1.collection_service_pb2 import (
    BuildCollectionRequest,
    CreateCollectionRequest,
    DirectorySource,
    Source,
)
from soutu.v1.image_pb2 import Image
from soutu.v1.image_service_pb2 import (
    BatchDeleteImagesRequest,
    BatchUploadImagesRequest,
    DownloadImageRequest,
    ListImagesRequest,
    UploadImageRequest,
)
from tests.flows.bad_searches import INVALID, NAME, NOT_FOUND, ONE, PICTURE
from tests.flows.refusals import BadCall, Call


def uploading(**fields: Any) -> Call:
    """An upload that is sound but for what is given here."""
    request = UploadImageRequest(**{"parent": NAME, "content": PICTURE, **fields})
    return lambda stubs: stubs.images.UploadImage(request)


def describing(**fields: Any) -> Call:
    return uploading(image=Image(**fields))


def batch(*requests: UploadImageRequest) -> Call:
    return lambda stubs: stubs.images.BatchUploadImages(
        BatchUploadImagesRequest(parent=NAME, requests=requests)
    )


def deleting(*names: str) -> Call:
    return lambda stubs: stubs.images.BatchDeleteImages(BatchDeleteImagesRequest(parent=NAME, names=names))


def downloading(**fields: Any) -> Call:
    return lambda stubs: list(stubs.images.DownloadImage(DownloadImageRequest(name=ONE, **fields)))


def listing(**fields: Any) -> Call:
    return lambda stubs: stubs.images.ListImages(ListImagesRequest(parent=NAME, **fields))


def creating(**fields: Any) -> Call:
    request = CreateCollectionRequest(collection_id="x", collection=Collection(**fields))
    return lambda stubs: stubs.collections.CreateCollection(request)


FOREIGN = UploadImageRequest(parent="collections/other", content=PICTURE)

WRITES: dict[str, BadCall] = {
    "nothing to upload": BadCall(
        lambda stubs: stubs.images.UploadImage(UploadImageRequest(parent=NAME)),
        INVALID,
        "IMAGE_EMPTY",
        "source",
    ),
    "no bytes": BadCall(uploading(content=b""), INVALID, "IMAGE_EMPTY"),
    "unknown collection": BadCall(uploading(parent="collections/no"), NOT_FOUND, "COLLECTION_NOT_FOUND"),
    "upload to a generation": BadCall(
        uploading(parent=f"{NAME}/generations/1"), INVALID, "FIELD_INVALID", "parent"
    ),
    "image id": BadCall(uploading(image_id="A B"), INVALID, "FIELD_INVALID", "image_id"),
    "title": BadCall(describing(title="x" * 513), INVALID, "FIELD_INVALID", "image.title"),
    "NUL": BadCall(describing(category="\0"), INVALID, "FIELD_INVALID", "image.category"),
    "65 tags": BadCall(
        describing(tags=[str(tag) for tag in range(65)]), INVALID, "FIELD_INVALID", "image.tags"
    ),
    "empty tag": BadCall(describing(tags=["cat", ""]), INVALID, "FIELD_INVALID", "image.tags"),
    "rating": BadCall(describing(rating=6), INVALID, "FIELD_INVALID", "image.rating"),
    "source uri": BadCall(describing(source_uri="x" * 2_049), INVALID, "FIELD_INVALID", "image.source_uri"),
    "on_conflict": BadCall(uploading(on_conflict=99), INVALID, "FIELD_INVALID", "on_conflict"),
    "on_duplicate": BadCall(uploading(on_duplicate=99), INVALID, "FIELD_INVALID", "on_duplicate"),
    "request id": BadCall(uploading(request_id="x" * 129), INVALID, "FIELD_INVALID", "request_id"),
    "batch of none": BadCall(batch(), INVALID, "FIELD_INVALID", "requests"),
    "batch of 65": BadCall(batch(*[FOREIGN] * 65), INVALID, "FIELD_INVALID", "requests"),
    "batch for two collections": BadCall(batch(FOREIGN), INVALID, "FIELD_INVALID", "requests.parent"),
    "delete none": BadCall(deleting(), INVALID, "FIELD_INVALID", "names"),
    "delete 1001": BadCall(deleting(*[ONE] * 1_001), INVALID, "FIELD_INVALID", "names"),
    "delete elsewhere": BadCall(
        deleting("collections/other/images/one"), INVALID, "FIELD_INVALID", "names[0]"
    ),
    "thumbnail side": BadCall(
        downloading(variant=DownloadImageRequest.VARIANT_THUMBNAIL, thumbnail_side=-1),
        INVALID,
        "FIELD_INVALID",
        "thumbnail_side",
    ),
    "variant": BadCall(downloading(variant=99), INVALID, "FIELD_INVALID", "variant"),
    "list page size": BadCall(listing(page_size=-1), INVALID, "FIELD_INVALID", "page_size"),
    "list page token": BadCall(listing(page_token="x"), INVALID, "PAGE_TOKEN_INVALID", "page_token"),
    "list read mask": BadCall(
        listing(read_mask=FieldMask(paths=["tags.x"])), INVALID, "FIELD_INVALID", "read_mask"
    ),
    "index type": BadCall(creating(index=Index(type=99)), INVALID, "FIELD_INVALID", "collection.index.type"),  # type: ignore[arg-type]
    "index parameter": BadCall(
        creating(index=Index(parameters={"m": 0})), INVALID, "FIELD_INVALID", "collection.index.parameters.m"
    ),
    "display name": BadCall(
        creating(display_name="x" * 129), INVALID, "FIELD_INVALID", "collection.display_name"
    ),
    "build from nothing": BadCall(
        lambda stubs: stubs.collections.BuildCollection(BuildCollectionRequest(name=NAME)),
        INVALID,
        "FIELD_INVALID",
        "source",
    ),
    "build with an unknown keeping": BadCall(
        lambda stubs: stubs.collections.BuildCollection(
            BuildCollectionRequest(name=NAME, keeping=99, source=Source(directory=DirectorySource(path="/")))  # type: ignore[arg-type]
        ),
        INVALID,
        "FIELD_INVALID",
        "keeping",
    ),
}

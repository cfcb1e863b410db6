"""Requests that add images: whole, in pieces, in batches."""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypedDict, Unpack

from soutu.client.given import checked, made
from soutu.client.names import collection_name
from soutu.v1.attribute_pb2 import AttributeValue
from soutu.v1.image_pb2 import Image
from soutu.v1.image_service_pb2 import OnConflict, OnDuplicate, StreamUploadImageRequest, UploadImageRequest

CHUNK_BYTES = 512 * 1024
BATCH_IMAGES = 64
BATCH_BYTES = 16 * 1024 * 1024

Picture: TypeAlias = bytes | Path


class Metadata(TypedDict, total=False):
    """What people say about an image; the fields of Image that a client may set."""

    title: str
    tags: Sequence[str]
    source_uri: str
    category: str
    rating: int
    attributes: Mapping[str, AttributeValue]


class UploadFields(Metadata, total=False):
    """What may be said with an upload: metadata, and the fields of UploadImageRequest."""

    image_id: str
    on_conflict: OnConflict.ValueType
    on_duplicate: OnDuplicate.ValueType
    request_id: str


@dataclass(frozen=True, slots=True)
class Upload:
    """One picture of a batch, with what is said about it."""

    picture: Picture
    fields: UploadFields


def upload_request(
    collection: str, content: bytes | None, **fields: Unpack[UploadFields]
) -> UploadImageRequest:
    """The request that adds `content`; it has a request id, so that it may be sent again.

    Without content it is the head of a streamed upload.
    """
    named: dict[str, Any] = dict(fields)
    image = made(Image, **{key: named.pop(key) for key in Metadata.__annotations__ if key in named})
    named.setdefault("request_id", str(uuid.uuid4()))
    request = made(UploadImageRequest, parent=collection_name(collection), image=image, **named)
    if content is not None:
        request.content = content
    return request


def streamed_upload(
    collection: str, picture: Picture, **fields: Unpack[UploadFields]
) -> Iterator[StreamUploadImageRequest]:
    """The messages that add a picture in pieces, read as they are sent."""
    yield StreamUploadImageRequest(upload=upload_request(collection, None, **fields))
    for chunk in _chunks(picture):
        yield StreamUploadImageRequest(chunk=chunk)


def _chunks(picture: Picture) -> Iterator[bytes]:
    if isinstance(picture, bytes):
        for start in range(0, len(picture), CHUNK_BYTES):
            yield picture[start : start + CHUNK_BYTES]
        return
    with picture.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def size_bytes(picture: Picture) -> int:
    """How large a picture's file is."""
    _check_picture(picture)
    return len(picture) if isinstance(picture, bytes) else picture.stat().st_size


def content_of(picture: Picture) -> bytes:
    """The bytes of a picture's file."""
    _check_picture(picture)
    return picture if isinstance(picture, bytes) else picture.read_bytes()


def _check_picture(picture: object) -> None:
    checked(picture, (bytes, Path), "a picture", "bytes or a pathlib.Path")


def upload_batches(
    collection: str, pictures: Iterable[Picture | Upload]
) -> Iterator[list[UploadImageRequest]]:
    """The uploads in order, in batches that a server takes; at most one batch is held in memory."""
    batch: list[UploadImageRequest] = []
    batch_bytes = 0
    for item in pictures:
        upload = item if isinstance(item, Upload) else Upload(item, {})
        fields: UploadFields = {"request_id": "", **upload.fields}  # a server takes none in a batch
        request = upload_request(collection, content_of(upload.picture), **fields)
        if batch and (len(batch) == BATCH_IMAGES or batch_bytes + len(request.content) > BATCH_BYTES):
            yield batch
            batch, batch_bytes = [], 0
        batch.append(request)
        batch_bytes += len(request.content)
    if batch:
        yield batch

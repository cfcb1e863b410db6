"""The images of collections: writes, reads, downloads."""

import io
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypedDict, Unpack

from soutu.client.calls import Calls
from soutu.client.downloads import save
from soutu.client.given import checked_texts, made
from soutu.client.names import collection_name, image_name
from soutu.client.queries import Uri, read_mask
from soutu.client.uploads import (
    Metadata,
    Picture,
    Upload,
    UploadFields,
    content_of,
    size_bytes,
    streamed_upload,
    upload_batches,
    upload_request,
)
from soutu.v1.image_pb2 import Image
from soutu.v1.image_service_pb2 import (
    BatchDeleteImagesRequest,
    BatchDeleteImagesResponse,
    BatchUploadImagesRequest,
    BatchUploadImagesResult,
    CountImagesRequest,
    DeleteImageRequest,
    DeleteImageResponse,
    DownloadImageRequest,
    DownloadImageResponse,
    Facet,
    FacetImagesRequest,
    GetImageRequest,
    ListImagesRequest,
    UpdateImageRequest,
    UpdateImageResponse,
    UploadImageResponse,
)
from soutu.v1.image_service_pb2_grpc import ImageServiceStub

STREAMED_FROM_BYTES = 4 * 1024 * 1024


class DownloadFields(TypedDict, total=False):
    """What a download may ask for; the fields of DownloadImageRequest."""

    variant: DownloadImageRequest.Variant.ValueType
    thumbnail_side: int
    keep_location: bool


class Images:
    """`Client.images`. Images are given by full name, or by id with the keyword `collection`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._stub = ImageServiceStub(calls.channel)

    def upload(
        self, collection: str, picture: Picture | Uri, **fields: Unpack[UploadFields]
    ) -> UploadImageResponse:
        """Adds a picture from a file, from bytes, or from an address that the server fetches; above 4 MiB it
        is sent in pieces."""
        if isinstance(picture, Uri):
            request = upload_request(collection, None, **fields)
            request.uri = picture.uri
            return self._calls.unary(self._stub.UploadImage, request)
        if size_bytes(picture) > STREAMED_FROM_BYTES:
            pieces = streamed_upload(collection, picture, **fields)
            return self._calls.unary(self._stub.StreamUploadImage, pieces)
        request = upload_request(collection, content_of(picture), **fields)
        return self._calls.unary(self._stub.UploadImage, request)

    def upload_many(
        self, collection: str, pictures: Iterable[Picture | Upload]
    ) -> Iterator[BatchUploadImagesResult]:
        """Adds pictures in batches; one result each, in order, whose status says what went wrong.

        Nothing is sent before the first result is asked for.
        """
        for batch in upload_batches(collection, pictures):
            request = BatchUploadImagesRequest(parent=collection_name(collection), requests=batch)
            yield from self._calls.unary(self._stub.BatchUploadImages, request).results

    def get(self, image: str, *, collection: str = "", fields: Iterable[str] | None = None) -> Image:
        """One image, with all of its fields or those asked for."""
        request = GetImageRequest(name=image_name(image, collection), read_mask=read_mask(fields))
        return self._calls.unary(self._stub.GetImage, request)

    def list(
        self,
        collection: str,
        *,
        filter: str = "",  # noqa: A002  # the contract's word
        order_by: str = "",
    ) -> Iterator[Image]:
        """All images of a collection, page after page as they are asked for."""
        request = made(
            ListImagesRequest, parent=collection_name(collection), filter=filter, order_by=order_by
        )
        while True:
            page = self._calls.unary(self._stub.ListImages, request)
            yield from page.images
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def count(self, collection: str, *, filter: str = "") -> int:  # noqa: A002
        """How many images a filter accepts."""
        request = made(CountImagesRequest, parent=collection_name(collection), filter=filter)
        return self._calls.unary(self._stub.CountImages, request).count

    def facets(
        self,
        collection: str,
        fields: Sequence[str],
        *,
        filter: str = "",  # noqa: A002
        limit: int = 0,
    ) -> Sequence[Facet]:
        """The most frequent values of each field among the images that a filter accepts, with their counts;
        the values are written as a filter writes them."""
        parent = collection_name(collection)
        request = made(FacetImagesRequest, parent=parent, fields=fields, filter=filter, limit=limit)
        return self._calls.unary(self._stub.FacetImages, request).facets

    def update(
        self, image: str, *, collection: str = "", etag: str = "", **fields: Unpack[Metadata]
    ) -> UpdateImageResponse:
        """Sets the fields that are given, and no others."""
        values: dict[str, Any] = dict(fields)
        changed = made(Image, name=image_name(image, collection), etag=etag, **values)
        request = made(
            UpdateImageRequest, image=changed, update_mask=read_mask(fields), request_id=_request_id()
        )
        return self._calls.unary(self._stub.UpdateImage, request)

    def delete(
        self, image: str, *, collection: str = "", etag: str = "", allow_missing: bool = False
    ) -> DeleteImageResponse:
        """Deletes an image; no search that begins afterwards shows it."""
        name = image_name(image, collection)
        request = made(
            DeleteImageRequest, name=name, etag=etag, allow_missing=allow_missing, request_id=_request_id()
        )
        return self._calls.unary(self._stub.DeleteImage, request)

    def delete_many(
        self, collection: str, images: Sequence[str], *, allow_missing: bool = False
    ) -> BatchDeleteImagesResponse:
        """Deletes up to 1,000 images; one status each, in order."""
        names = [image_name(image, collection) for image in checked_texts(images, "images")]
        parent = collection_name(collection)
        request = BatchDeleteImagesRequest(parent=parent, names=names, allow_missing=allow_missing)
        return self._calls.unary(self._stub.BatchDeleteImages, request)

    def download(
        self, image: str, to: Path | BinaryIO, *, collection: str = "", **fields: Unpack[DownloadFields]
    ) -> DownloadImageResponse.Header:
        """Writes the original, or the thumbnail, to a file or stream as it comes."""
        request = made(DownloadImageRequest, name=image_name(image, collection), **fields)
        return save(self._calls.stream(self._stub.DownloadImage, request), to)

    def thumbnail(self, image: str, *, collection: str = "", side: int = 256) -> bytes:
        """A JPEG of the image that fits a square of `side` pixels."""
        variant, buffer = DownloadImageRequest.VARIANT_THUMBNAIL, io.BytesIO()
        self.download(image, buffer, collection=collection, variant=variant, thumbnail_side=side)
        return buffer.getvalue()


def _request_id() -> str:
    return str(uuid.uuid4())

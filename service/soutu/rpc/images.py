"""ImageService."""

import asyncio
from collections.abc import AsyncIterator, Callable

from google.rpc import status_pb2

from soutu.browse.images import Download, ImageBrowser
from soutu.browse.selections import Facet, Selections
from soutu.domain.errors import Reason, SoutuError, invalid_field
from soutu.domain.writing import Remove
from soutu.ingest.remove import Removals
from soutu.ingest.revise import Revisions
from soutu.ingest.upload import Upload, Uploaded, Uploads
from soutu.rpc.admission import Admission
from soutu.rpc.calls import Context
from soutu.rpc.convert.basics import checked_mask, masked, page_size
from soutu.rpc.convert.images import image_message
from soutu.rpc.convert.uploads import receipt_message, request_of, revision_of, upload_of
from soutu.rpc.errors import status_of
from soutu.rpc.names import collection_id, image_id_in, image_name
from soutu.rpc.placing import place_reader, place_token
from soutu.v1 import image_pb2, image_service_pb2, image_service_pb2_grpc

BATCH_LIMIT = 64
STREAM_LIMIT = 32
_PIECE_S = 30.0
_BEGINNING_BYTES = 64
_DELETE_LIMIT = 1_000
_CHUNK_BYTES = 64 * 1024
_THUMBNAIL_SIDE = 256
_THUMBNAIL_LIMIT = 1_024
_FACET_LIMIT = 8
_BUCKETS = 20
_BUCKET_LIMIT = 100


class ImageServicer(image_service_pb2_grpc.ImageServiceServicer):
    """Answers soutu.v1.ImageService."""

    def __init__(
        self,
        uploads: Uploads,
        revisions: Revisions,
        removals: Removals,
        browser: ImageBrowser,
        admission: Admission,
        selections: Selections,
        bytes_allowed: Callable[[bytes], int],
    ) -> None:
        """`bytes_allowed` is how many bytes an image may come to have that begins as its argument does."""
        self._uploads = uploads
        self._revisions = revisions
        self._removals = removals
        self._browser = browser
        self._admission = admission
        self._selections = selections
        self._bytes_allowed = bytes_allowed
        self._gathering = 0

    async def UploadImage(
        self, request: image_service_pb2.UploadImageRequest, context: Context
    ) -> image_service_pb2.UploadImageResponse:
        collection = collection_id(request.parent, "parent")
        upload = await self._upload(collection, request)
        uploaded = await self._uploads.upload(collection, upload, request_of(request.request_id, request))
        return _uploaded_message(uploaded, collection)

    async def StreamUploadImage(
        self,
        request_iterator: AsyncIterator[image_service_pb2.StreamUploadImageRequest],
        context: Context,
    ) -> image_service_pb2.UploadImageResponse:
        request = await self._gathered(request_iterator)
        async with self._admission.write(context.time_remaining()):
            return await self.UploadImage(request, context)

    async def BatchUploadImages(
        self, request: image_service_pb2.BatchUploadImagesRequest, context: Context
    ) -> image_service_pb2.BatchUploadImagesResponse:
        collection = collection_id(request.parent, "parent")
        if not 1 <= len(request.requests) <= BATCH_LIMIT:
            raise invalid_field("requests", f"must be 1 to {BATCH_LIMIT}")
        uploads = [await self._upload_or_error(collection, each) for each in request.requests]
        results = await self._uploads.upload_batch(collection, uploads)
        return image_service_pb2.BatchUploadImagesResponse(
            results=[_result_message(result, collection) for result in results]
        )

    async def GetImage(self, request: image_service_pb2.GetImageRequest, context: Context) -> image_pb2.Image:
        name = image_name(request.name, "name")
        paths = checked_mask(request.read_mask, image_pb2.Image(), "read_mask")
        image = await self._browser.get(name.collection_id, name.image_id)
        return masked(image_message(image, name.collection_id), paths)

    async def ListImages(
        self, request: image_service_pb2.ListImagesRequest, context: Context
    ) -> image_service_pb2.ListImagesResponse:
        collection = collection_id(request.parent, "parent")
        paths = checked_mask(request.read_mask, image_pb2.Image(), "read_mask")
        listing = repr(("images", collection, request.filter, request.order_by))
        size = page_size(request.page_size, 100, 1_000)
        reader = place_reader(listing, request.page_token)
        listed = await self._selections.list(collection, request.filter, request.order_by, size, reader)
        return image_service_pb2.ListImagesResponse(
            images=[masked(image_message(image, collection), paths) for image in listed.images],
            next_page_token=place_token(listing, listed.next_place) if listed.next_place else "",
        )

    async def CountImages(
        self, request: image_service_pb2.CountImagesRequest, context: Context
    ) -> image_service_pb2.CountImagesResponse:
        count = await self._selections.count(collection_id(request.parent, "parent"), request.filter)
        return image_service_pb2.CountImagesResponse(count=count)

    async def FacetImages(
        self, request: image_service_pb2.FacetImagesRequest, context: Context
    ) -> image_service_pb2.FacetImagesResponse:
        collection = collection_id(request.parent, "parent")
        if not 1 <= len(request.fields) <= _FACET_LIMIT:
            raise invalid_field("fields", f"must be 1 to {_FACET_LIMIT}")
        if not 0 <= request.limit <= _BUCKET_LIMIT:
            raise invalid_field("limit", f"must be from 0 to {_BUCKET_LIMIT}")
        limit = request.limit or _BUCKETS
        facets = await self._selections.facets(collection, request.filter, request.fields, limit)
        return image_service_pb2.FacetImagesResponse(facets=map(_facet_message, facets))

    async def UpdateImage(
        self, request: image_service_pb2.UpdateImageRequest, context: Context
    ) -> image_service_pb2.UpdateImageResponse:
        name = image_name(request.image.name, "image.name")
        schema = await self._browser.schema(name.collection_id)
        revision = revision_of(request, name.image_id, schema)
        identity = request_of(request.request_id, request)
        image, receipt = await self._revisions.revise(name.collection_id, revision, identity)
        return image_service_pb2.UpdateImageResponse(
            image=image_message(image, name.collection_id), receipt=receipt_message(receipt)
        )

    async def DeleteImage(
        self, request: image_service_pb2.DeleteImageRequest, context: Context
    ) -> image_service_pb2.DeleteImageResponse:
        name = image_name(request.name, "name")
        removal = Remove(name.image_id, request.etag, request.allow_missing)
        receipt = await self._removals.remove(
            name.collection_id, removal, request_of(request.request_id, request)
        )
        return image_service_pb2.DeleteImageResponse(receipt=receipt_message(receipt))

    async def BatchDeleteImages(
        self, request: image_service_pb2.BatchDeleteImagesRequest, context: Context
    ) -> image_service_pb2.BatchDeleteImagesResponse:
        collection = collection_id(request.parent, "parent")
        if not 1 <= len(request.names) <= _DELETE_LIMIT:
            raise invalid_field("names", f"must be 1 to {_DELETE_LIMIT}")
        ids = [image_id_in(name, collection, f"names[{index}]") for index, name in enumerate(request.names)]
        removals = [Remove(each, allow_missing=request.allow_missing) for each in ids]
        outcomes, receipt = await self._removals.remove_batch(collection, removals)
        return image_service_pb2.BatchDeleteImagesResponse(
            statuses=[_status_message(outcome) for outcome in outcomes], receipt=receipt_message(receipt)
        )

    async def DownloadImage(
        self, request: image_service_pb2.DownloadImageRequest, context: Context
    ) -> AsyncIterator[image_service_pb2.DownloadImageResponse]:
        download = await self._download(request)
        header = image_service_pb2.DownloadImageResponse.Header(
            media_type=download.media_type, size_bytes=len(download.data), etag=download.image.etag
        )
        yield image_service_pb2.DownloadImageResponse(header=header)
        for start in range(0, len(download.data), _CHUNK_BYTES):
            yield image_service_pb2.DownloadImageResponse(chunk=download.data[start : start + _CHUNK_BYTES])

    async def _download(self, request: image_service_pb2.DownloadImageRequest) -> Download:
        name = image_name(request.name, "name")
        if request.variant not in image_service_pb2.DownloadImageRequest.Variant.values():
            raise invalid_field("variant", "must be ORIGINAL or THUMBNAIL")
        if request.variant != image_service_pb2.DownloadImageRequest.VARIANT_THUMBNAIL:
            return await self._browser.original(
                name.collection_id, name.image_id, keep_location=request.keep_location
            )
        if request.thumbnail_side < 0:
            raise invalid_field("thumbnail_side", "must not be negative")
        side = min(request.thumbnail_side or _THUMBNAIL_SIDE, _THUMBNAIL_LIMIT)
        return await self._browser.thumbnail(name.collection_id, name.image_id, side)

    async def _upload(self, collection: str, request: image_service_pb2.UploadImageRequest) -> Upload:
        schema = await self._browser.schema(collection) if request.image.attributes else {}
        return upload_of(request, schema)

    async def _upload_or_error(
        self, collection: str, request: image_service_pb2.UploadImageRequest
    ) -> Upload | SoutuError:
        if request.parent and collection_id(request.parent, "requests.parent") != collection:
            raise invalid_field("requests.parent", "must be empty or equal to parent")
        if request.request_id:
            raise invalid_field("requests.request_id", "is not taken in a batch; upload one by one to retry")
        try:
            return await self._upload(collection, request)
        except SoutuError as error:
            return error

    async def _gathered(
        self, pieces: AsyncIterator[image_service_pb2.StreamUploadImageRequest]
    ) -> image_service_pb2.UploadImageRequest:
        """The streamed upload as if it had come in one message; refused as soon as it is too large. No more
        than STREAM_LIMIT are gathered at a time, and none waits long for its next piece."""
        if self._gathering >= STREAM_LIMIT:
            raise SoutuError(Reason.QUEUE_FULL, "Too many streamed uploads are under way; retry shortly.")
        self._gathering += 1
        try:
            return await self._gather(pieces)
        finally:
            self._gathering -= 1

    async def _gather(
        self, pieces: AsyncIterator[image_service_pb2.StreamUploadImageRequest]
    ) -> image_service_pb2.UploadImageRequest:
        request: image_service_pb2.UploadImageRequest | None = None
        content = bytearray()
        async for piece in _paced(pieces):
            if piece.WhichOneof("part") != ("chunk" if request else "upload"):
                raise invalid_field("part", "the first message must have `upload`, all others `chunk`")
            if request and not piece.chunk:
                raise invalid_field("chunk", "must not be empty")
            request = request or piece.upload
            content += piece.chunk
            allowed = self._bytes_allowed(bytes(content[:_BEGINNING_BYTES]))
            if len(content) > allowed:
                raise SoutuError(
                    Reason.IMAGE_TOO_LARGE, f"The image has more than {allowed:,} bytes.", limit="size_bytes"
                )
        if request is None or request.WhichOneof("source"):
            raise invalid_field("upload", "must come first, without content and uri")
        request.content = bytes(content)
        return request


async def _paced(
    pieces: AsyncIterator[image_service_pb2.StreamUploadImageRequest],
) -> AsyncIterator[image_service_pb2.StreamUploadImageRequest]:
    """The pieces, each within the time that one may take; DEADLINE_EXCEEDED."""
    while True:
        try:
            async with asyncio.timeout(_PIECE_S):
                piece = await anext(pieces)
        except StopAsyncIteration:
            return
        yield piece


def _uploaded_message(uploaded: Uploaded, collection: str) -> image_service_pb2.UploadImageResponse:
    return image_service_pb2.UploadImageResponse(
        image=image_message(uploaded.image, collection),
        created=uploaded.created,
        receipt=receipt_message(uploaded.receipt),
    )


def _facet_message(facet: Facet) -> image_service_pb2.Facet:
    buckets = [image_service_pb2.Facet.Bucket(value=value, count=count) for value, count in facet.values]
    return image_service_pb2.Facet(field=facet.field.name, buckets=buckets)


def _result_message(
    result: Uploaded | SoutuError, collection: str
) -> image_service_pb2.BatchUploadImagesResult:
    if isinstance(result, SoutuError):
        return image_service_pb2.BatchUploadImagesResult(status=status_of(result))
    response = _uploaded_message(result, collection)
    return image_service_pb2.BatchUploadImagesResult(status=status_pb2.Status(), response=response)


def _status_message(outcome: object) -> status_pb2.Status:
    return status_of(outcome) if isinstance(outcome, SoutuError) else status_pb2.Status()

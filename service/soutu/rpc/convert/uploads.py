"""Uploads and the receipts of writes."""

import hashlib
from collections.abc import Mapping

from google.protobuf.message import Message

from soutu.domain.collection import AttributeType
from soutu.domain.errors import Reason, invalid_field
from soutu.domain.image import checked_image_id
from soutu.domain.writing import OnConflict, OnDuplicate, Receipt, Request
from soutu.ingest.revise import Revision
from soutu.ingest.upload import Upload
from soutu.rpc.convert.basics import checked_text, one_of
from soutu.rpc.convert.images import metadata_of
from soutu.v1 import image_service_pb2

_REVISABLE = frozenset(["title", "tags", "source_uri", "category", "rating", "attributes"])
_ON_CONFLICT = {
    image_service_pb2.ON_CONFLICT_UNSPECIFIED: OnConflict.FAIL,
    image_service_pb2.ON_CONFLICT_FAIL: OnConflict.FAIL,
    image_service_pb2.ON_CONFLICT_REPLACE: OnConflict.REPLACE,
}
_ON_DUPLICATE = {
    image_service_pb2.ON_DUPLICATE_UNSPECIFIED: OnDuplicate.CREATE,
    image_service_pb2.ON_DUPLICATE_CREATE: OnDuplicate.CREATE,
    image_service_pb2.ON_DUPLICATE_RETURN_EXISTING: OnDuplicate.RETURN_EXISTING,
    image_service_pb2.ON_DUPLICATE_REJECT: OnDuplicate.REJECT,
}


def upload_of(request: image_service_pb2.UploadImageRequest, schema: Mapping[str, AttributeType]) -> Upload:
    """The upload in a request, whose attributes must fit the collection's `schema`."""
    if request.WhichOneof("source") is None:
        raise one_of(Reason.IMAGE_EMPTY, "source", "content and uri")
    if request.on_conflict not in _ON_CONFLICT:
        raise invalid_field("on_conflict", "must be FAIL or REPLACE")
    if request.on_duplicate not in _ON_DUPLICATE:
        raise invalid_field("on_duplicate", "must be CREATE, RETURN_EXISTING or REJECT")
    return Upload(
        picture=request.content,
        uri=request.uri if request.WhichOneof("source") == "uri" else None,
        metadata=metadata_of(request.image, schema, "image."),
        image_id=checked_image_id(request.image_id) if request.image_id else "",
        on_conflict=_ON_CONFLICT[request.on_conflict],
        on_duplicate=_ON_DUPLICATE[request.on_duplicate],
    )


def revision_of(
    request: image_service_pb2.UpdateImageRequest, image_id: str, schema: Mapping[str, AttributeType]
) -> Revision:
    """The change that a request asks for: the fields in its mask, or without one those that are filled in."""
    paths = list(request.update_mask.paths)
    if not paths:
        paths = [field.name for field, _ in request.image.ListFields() if field.name in _REVISABLE]
    for path in paths:
        field, _, attribute = path.partition(".")
        if field not in _REVISABLE or (attribute and (field != "attributes" or attribute not in schema)):
            raise invalid_field("update_mask", f"{path!r} is not a field that can be changed")
    metadata = metadata_of(request.image, schema, "image.")
    return Revision(image_id, metadata, tuple(paths), request.image.etag)


def request_of(request_id: str, request: Message) -> Request | None:
    """The request's identity for retries; None where the client gave no id."""
    if not request_id:
        return None
    body = request.SerializeToString(deterministic=True)
    return Request(checked_text(request_id, "request_id", 128), hashlib.sha256(body).hexdigest())


def receipt_message(receipt: Receipt) -> image_service_pb2.WriteReceipt:
    """The message for what a write has done."""
    return image_service_pb2.WriteReceipt(revision=receipt.revision, indexed=receipt.indexed)

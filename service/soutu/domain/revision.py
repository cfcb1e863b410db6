"""Revisions as clients see them: opaque strings that name the collection they count."""

import base64
import binascii
import struct

from soutu.domain.errors import Reason, SoutuError

_LAYOUT = struct.Struct(">QQ")


def revision_text(collection_uid: int, revision: int) -> str:
    """The opaque form of a collection's revision."""
    return base64.urlsafe_b64encode(_LAYOUT.pack(collection_uid, revision)).rstrip(b"=").decode()


def revision_number(collection_uid: int, text: str) -> int:
    """The revision that `revision_text` wrote for this very collection, else REVISION_INVALID."""
    try:
        uid, revision = _LAYOUT.unpack(base64.urlsafe_b64decode(text.encode() + b"=="))
    except (binascii.Error, struct.error, ValueError) as error:
        raise SoutuError(Reason.REVISION_INVALID, field="min_revision") from error
    if uid != collection_uid:
        raise SoutuError(Reason.REVISION_INVALID, field="min_revision")
    return int(revision)

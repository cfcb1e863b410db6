"""Reads the bytes behind images from the object store or from the user's own files, and proves them."""

import asyncio
import hashlib
import os
import stat

from soutu.domain.errors import Reason, SoutuError
from soutu.domain.image import Image, Keeping
from soutu.domain.objects import content_key
from soutu.ports import ObjectStore

# No link at the end of the path, no waiting for a pipe's other end.
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class KeptOriginals:
    """The Originals port."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    async def read(self, image: Image) -> bytes:
        """The bytes that were indexed, verified by their hash."""
        if image.original.keeping is Keeping.REFERENCED:
            return await asyncio.to_thread(_read_referenced, image)
        data = await self._objects.get(content_key(image.content.sha256))
        if await asyncio.to_thread(_sha256, data) != image.content.sha256:
            raise SoutuError(Reason.CONTENT_LOST, "The stored bytes are not those that were uploaded.")
        return data


def _read_referenced(image: Image) -> bytes:
    try:
        with os.fdopen(os.open(image.original.path, _FLAGS), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size != image.content.size_bytes:
                raise SoutuError(Reason.ORIGINAL_CHANGED)
            data = file.read(image.content.size_bytes)
    except OSError as error:
        raise SoutuError(Reason.ORIGINAL_GONE) from error
    if _sha256(data) != image.content.sha256:
        raise SoutuError(Reason.ORIGINAL_CHANGED)
    return data


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

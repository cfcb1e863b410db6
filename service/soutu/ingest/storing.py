"""Storing originals so that no sweep takes them away before they are committed."""

import asyncio

from soutu.domain.errors import Reason, SoutuError
from soutu.domain.image import Content
from soutu.domain.objects import content_key
from soutu.ports import ImageCatalog, ObjectStore

_TRIES = 50
_PAUSE_S = 0.1


class Storing:
    """Keeps the bytes of contents in the object store."""

    def __init__(self, catalog: ImageCatalog, objects: ObjectStore) -> None:
        self._catalog = catalog
        self._objects = objects

    async def store(self, content: Content, picture: bytes) -> None:
        """The content is recorded first, so its object is never without one that a sweep can find; a sweep
        that is just removing it is waited for. OBJECTS_UNAVAILABLE."""
        for _ in range(_TRIES):
            if await self._catalog.hold_contents([content]):
                await self._objects.put(content_key(content.sha256), picture)
                return
            await asyncio.sleep(_PAUSE_S)
        raise SoutuError(Reason.OBJECTS_UNAVAILABLE)

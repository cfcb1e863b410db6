"""Reading images: one, a page of them, their bytes, their thumbnails."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from soutu.domain.collection import AttributeType
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.image import Image
from soutu.domain.objects import THUMBNAIL_SIDES, thumbnail_key
from soutu.imaging.job import DecodeJob
from soutu.imaging.location import without_location
from soutu.imaging.pool import DecodePool
from soutu.ports import Catalog, ObjectStore, Originals


@dataclass(frozen=True, slots=True)
class Download:
    """An image's bytes or those of its thumbnail."""

    image: Image
    media_type: str
    data: bytes


class ImageBrowser:
    """The read stories of images."""

    def __init__(
        self, catalog: Catalog, originals: Originals, objects: ObjectStore, decoders: DecodePool
    ) -> None:
        self._catalog = catalog
        self._originals = originals
        self._objects = objects
        self._decoders = decoders

    async def get(self, collection_id: str, image_id: str) -> Image:
        """COLLECTION_NOT_FOUND, IMAGE_NOT_FOUND."""
        head = await self._catalog.head(collection_id)
        return await self._catalog.image(head.collection.uid, image_id)

    async def schema(self, collection_id: str) -> Mapping[str, AttributeType]:
        """The attributes that images of the collection may have."""
        return (await self._catalog.head(collection_id)).collection.attributes

    async def original(self, collection_id: str, image_id: str, *, keep_location: bool) -> Download:
        """The bytes as they were given, verified, and less the place where the picture was taken."""
        image = await self.get(collection_id, image_id)
        data = await self._originals.read(image)
        if not keep_location:
            data = await asyncio.to_thread(without_location, data)
        return Download(image, image.content.media_type, data)

    async def thumbnail(self, collection_id: str, image_id: str, side: int) -> Download:
        """A JPEG whose longer side is at most `side` pixels, made once for each of THUMBNAIL_SIDES."""
        image = await self.get(collection_id, image_id)
        stored_side = next((each for each in THUMBNAIL_SIDES if each >= side), THUMBNAIL_SIDES[-1])
        data = await self._stored_thumbnail(image, stored_side)
        if side < stored_side:
            data = await self._drawn_thumbnail(data, side)
        return Download(image, "image/jpeg", data)

    async def _stored_thumbnail(self, image: Image, side: int) -> bytes:
        key = thumbnail_key(image.content.sha256, side)
        try:
            return await self._objects.get(key)
        except SoutuError as error:
            if error.reason is not Reason.CONTENT_LOST:
                raise
        data = await self._drawn_thumbnail(await self._originals.read(image), side)
        await self._objects.put(key, data)
        if not await self._catalog.images(image.collection_uid, [image.uid]):
            await self._objects.delete(key)  # the image may have been purged while this was drawn
        return data

    async def _drawn_thumbnail(self, picture: bytes, side: int) -> bytes:
        decoded = await self._decoders.decode(picture, DecodeJob(thumbnail_side=side))
        assert decoded.thumbnail is not None, "a job with a thumbnail side answers with a thumbnail"
        return decoded.thumbnail

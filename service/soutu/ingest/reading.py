"""From untrusted bytes to what a write needs: facts about the content, and its embeddings."""

import asyncio
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from soutu.domain.embedding import Vector, rounded
from soutu.domain.image import NO_ANNOTATIONS, Annotations, Content
from soutu.domain.model import ModelRef
from soutu.imaging.job import Decoded, DecodeJob
from soutu.imaging.pool import DecodePool
from soutu.ports import Embedder, ImageCatalog, ModelStore

_HASHED_AT_ONCE_BYTES = 256 * 1024  # 0.15 ms: about what the way to a thread and back costs


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading a picture gave; `annotations` are those within the file."""

    content: Content
    embeddings: Mapping[ModelRef, Vector]
    annotations: Annotations = NO_ANNOTATIONS


class Reader:
    """Decodes and embeds pictures. A content known already is not embedded again."""

    def __init__(
        self, decoders: DecodePool, models: ModelStore, embedder: Embedder, catalog: ImageCatalog
    ) -> None:
        self._decoders = decoders
        self._models = models
        self._embedder = embedder
        self._catalog = catalog

    async def read(self, picture: bytes, models: Collection[ModelRef]) -> Reading:
        """The content of `picture` and its embedding under each of `models`; IMAGE_* errors."""
        sha256 = await _hashed(picture)
        embeddings: dict[ModelRef, Vector] = {}
        for model in sorted(set(models)):
            decoded = await self._decoders.decode(
                picture, DecodeJob(self._models.card(str(model)).input, annotations=True)
            )
            embeddings[model] = await self._embedding(decoded, sha256, model)
        return Reading(_content(picture, sha256, decoded), embeddings, decoded.annotations)

    async def _embedding(self, decoded: Decoded, sha256: str, model: ModelRef) -> Vector:
        known = await self._catalog.embeddings(model, [sha256])
        if sha256 in known:
            return known[sha256]
        assert decoded.pixels is not None, "a job with an input answers with pixels"
        vectors = await self._embedder.embed(model, decoded.pixels[None])
        return rounded(vectors[0])


async def _hashed(picture: bytes) -> str:
    if len(picture) <= _HASHED_AT_ONCE_BYTES:
        return hashlib.sha256(picture).hexdigest()
    return await asyncio.to_thread(lambda: hashlib.sha256(picture).hexdigest())


def _content(picture: bytes, sha256: str, decoded: Decoded) -> Content:
    return Content(sha256, len(picture), decoded.width, decoded.height, decoded.media_type, decoded.exif)

"""From untrusted bytes to what a write needs: facts about the content, and its embeddings."""

import asyncio
import hashlib
from collections.abc import Collection, Mapping, Sequence
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


@dataclass(frozen=True, slots=True)
class Known:
    """The hash of a picture's bytes, and its embeddings that the catalogue holds."""

    sha256: str
    embeddings: Mapping[ModelRef, Vector]


class Reader:
    """Decodes and embeds pictures. A content known already is not embedded again."""

    def __init__(
        self, decoders: DecodePool, models: ModelStore, embedder: Embedder, catalog: ImageCatalog
    ) -> None:
        self._decoders = decoders
        self._models = models
        self._embedder = embedder
        self._catalog = catalog

    async def known(self, hashes: Sequence[str], models: Collection[ModelRef]) -> Sequence[Known]:
        """What the catalogue holds for contents: one of each hash, in order."""
        held = {model: await self._catalog.embeddings(model, hashes) for model in models if hashes}
        return [
            Known(sha256, {model: vectors[sha256] for model, vectors in held.items() if sha256 in vectors})
            for sha256 in hashes
        ]

    async def read(self, picture: bytes, models: Collection[ModelRef], known: Known | None = None) -> Reading:
        """The content of `picture` and its embedding under each of `models`; IMAGE_* errors. What is known of
        it is looked up where it is not given."""
        if known is None:
            (known,) = await self.known([await _hashed(picture)], models)
        embeddings: dict[ModelRef, Vector] = {}
        for model in sorted(set(models)):
            decoded = await self._decoders.decode(
                picture, DecodeJob(self._models.card(str(model)).input, annotations=True)
            )
            held = known.embeddings.get(model)
            embeddings[model] = await self._embedding(decoded, model) if held is None else held
        return Reading(_content(picture, known.sha256, decoded), embeddings, decoded.annotations)

    async def _embedding(self, decoded: Decoded, model: ModelRef) -> Vector:
        assert decoded.pixels is not None, "a job with an input answers with pixels"
        vectors = await self._embedder.embed(model, decoded.pixels[None])
        return rounded(vectors[0])


async def _hashed(picture: bytes) -> str:
    if len(picture) <= _HASHED_AT_ONCE_BYTES:
        return hashlib.sha256(picture).hexdigest()
    return await asyncio.to_thread(lambda: hashlib.sha256(picture).hexdigest())


def _content(picture: bytes, sha256: str, decoded: Decoded) -> Content:
    return Content(sha256, len(picture), decoded.width, decoded.height, decoded.media_type, decoded.exif)

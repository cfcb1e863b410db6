"""Completing: embeddings that a generation's model still lacks are made from the originals."""

import asyncio
from collections.abc import Mapping, Sequence

from soutu.domain.embedding import Vector
from soutu.domain.errors import SoutuError, Status
from soutu.domain.image import Image
from soutu.domain.model import ModelRef
from soutu.domain.writing import Failure
from soutu.ingest.reading import Reader
from soutu.observe.logs import logger
from soutu.ports import ImageCatalog, Originals

_log = logger(__name__)


class Completion:
    """Embeds images anew, `parallel` at a time, and stores what it made."""

    def __init__(self, catalog: ImageCatalog, originals: Originals, reader: Reader, parallel: int) -> None:
        self._catalog = catalog
        self._originals = originals
        self._reader = reader
        self._turns = asyncio.Semaphore(parallel)

    async def complete(
        self, model: ModelRef, images: Sequence[Image]
    ) -> tuple[Mapping[str, Vector], Sequence[Failure]]:
        """The embeddings of the images' contents under `model`, by sha256, stored; and the images for which
        there is none, with the reason. Faults of the service itself are raised."""
        by_content = {image.content.sha256: image for image in images}
        embedding = (self._embed(model, image) for image in by_content.values())
        results = dict(zip(by_content, await asyncio.gather(*embedding), strict=True))
        vectors = {sha256: each for sha256, each in results.items() if not isinstance(each, Failure)}
        await self._catalog.store_embeddings(model, vectors)
        return vectors, [each for each in results.values() if isinstance(each, Failure)]

    async def _embed(self, model: ModelRef, image: Image) -> Vector | Failure:
        async with self._turns:
            try:
                picture = await self._originals.read(image)
                return (await self._reader.read(picture, [model])).embeddings[model]
            except SoutuError as error:
                if error.reason.status is Status.UNAVAILABLE:
                    raise
                _log.warning(
                    "an image has no embedding", image=image.id, model=str(model), reason=error.reason.name
                )
                return Failure(image.id, error.reason.name, error.message)

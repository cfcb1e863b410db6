"""The query's vector: every part becomes a unit vector, and the parts one."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from soutu.domain.calibration import chance
from soutu.domain.collection import Head
from soutu.domain.embedding import Vector, checked_vector, combine, rounded
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.image import Image, Region
from soutu.domain.model import ModelCard, ModelRef
from soutu.domain.query import (
    TEXT_CUT,
    Degradation,
    GivenText,
    GivenVector,
    ImageBytes,
    ImageUri,
    Part,
    StoredImage,
    Subject,
)
from soutu.imaging.job import DecodeJob
from soutu.imaging.pool import DecodePool
from soutu.observe.stages import Stages
from soutu.ports import Embedder, ImageCatalog, ModelStore, Originals
from soutu.texts.tokenizer import Tokenizers


@dataclass(frozen=True, slots=True)
class Embedded:
    """A query as one vector, the stored images that it was made of, and what was left out of it."""

    vector: Vector
    stored: frozenset[int]
    degraded: tuple[Degradation, ...] = ()


@dataclass(frozen=True, slots=True)
class Meaning:
    """The vector of one subject; `cut` where it is a text whose end was left out."""

    vector: Vector
    cut: bool = False


class QueryEmbedder:
    """Turns the parts of a query into vectors."""

    def __init__(
        self,
        decoders: DecodePool,
        models: ModelStore,
        embedder: Embedder,
        catalog: ImageCatalog,
        originals: Originals,
        tokenizers: Tokenizers,
    ) -> None:
        self._decoders = decoders
        self._models = models
        self._embedder = embedder
        self._catalog = catalog
        self._originals = originals
        self._tokenizers = tokenizers

    def chance(self, model: ModelRef, cosine: float) -> float | None:
        """The chance that a picture and a text of this cosine belong together; None where the model is not
        calibrated for it."""
        return chance(self._models.card(str(model)).text, cosine)

    async def query(self, head: Head, parts: Sequence[Part], stages: Stages) -> Embedded:
        """The parts of a query on `head`, combined: their own errors, or QUERY_ZERO_SUM."""
        model = head.generation.model
        stored = [part.subject.image_id for part in parts if isinstance(part.subject, StoredImage)]
        uids = await self._catalog.image_ids(head.collection.uid, stored) if stored else {}
        if len(parts) == 1 and parts[0].weight > 0:
            meaning = await self._part(model, parts, 0, stages, head)
            return Embedded(meaning.vector, frozenset(uids.values()), _degraded([meaning]))
        meanings = await asyncio.gather(
            *(self._part(model, parts, place, stages, head) for place in range(len(parts)))
        )
        vector = combine([each.vector for each in meanings], [part.weight for part in parts])
        return Embedded(vector, frozenset(uids.values()), _degraded(meanings))

    async def subject(self, model: ModelRef, subject: Subject, stages: Stages, head: Head | None) -> Meaning:
        """The vector of one subject under `model`. Stored images are looked up in `head`'s collection; a text
        needs a model with a text tower: TEXT_UNSUPPORTED."""
        if isinstance(subject, GivenText):
            return await self._text(model, subject.text, stages)
        return Meaning(await self._pictured(model, subject, stages, head))

    async def _pictured(
        self,
        model: ModelRef,
        subject: GivenVector | ImageBytes | ImageUri | StoredImage,
        stages: Stages,
        head: Head | None,
    ) -> Vector:
        match subject:
            case GivenVector(values):
                return checked_vector(values, self._models.card(str(model)).dimension)
            case ImageBytes(data, region):
                return await self._picture(self._models.card(str(model)), data, region, stages)
            case ImageUri(_, region, data):
                assert data is not None, "it is fetched before it is embedded"
                return await self._picture(self._models.card(str(model)), data, region, stages)
            case StoredImage(image_id, region):
                if head is None:
                    raise SoutuError(Reason.IMAGE_NOT_FOUND, "A stored image needs a collection to be in.")
                return await self._stored(head, image_id, region, stages)

    async def _part(
        self, model: ModelRef, parts: Sequence[Part], place: int, stages: Stages, head: Head
    ) -> Meaning:
        """As `subject`, of one part; an error about a text tells in `field` which it is."""
        subject = parts[place].subject
        try:
            return await self.subject(model, subject, stages, head)
        except SoutuError as error:
            if not isinstance(subject, GivenText):
                raise
            told = {**error.metadata, "field": f"parts[{place}]"}
            raise SoutuError(error.reason, error.message, **told) from error

    async def _text(self, model: ModelRef, text: str, stages: Stages) -> Meaning:
        with stages.time("tokenize"):
            tokens = await self._tokenizers.tokens(model, [text])
        with stages.time("embed"):
            vectors = await self._embedder.embed_texts(model, tokens.ids)
        return Meaning(rounded(vectors[0]), tokens.cut[0])

    async def _picture(self, card: ModelCard, data: bytes, region: Region | None, stages: Stages) -> Vector:
        with stages.time("decode"):
            decoded = await self._decoders.decode(data, DecodeJob(card.input, region))
        assert decoded.pixels is not None, "a job with an input answers with pixels"
        with stages.time("embed"):
            vectors = await self._embedder.embed(card.ref, decoded.pixels[None])
        return rounded(vectors[0])

    async def _stored(self, head: Head, image_id: str, region: Region | None, stages: Stages) -> Vector:
        with stages.time("lookup"):
            image = await self._catalog.image(head.collection.uid, image_id)
        if region is None:
            return await self._kept(head.generation.model, image, stages)
        with stages.time("read"):
            data = await self._originals.read(image)
        return await self._picture(self._models.card(str(head.generation.model)), data, region, stages)

    async def _kept(self, model: ModelRef, image: Image, stages: Stages) -> Vector:
        with stages.time("lookup"):
            known = await self._catalog.embeddings(model, [image.content.sha256])
        if image.content.sha256 in known:
            return known[image.content.sha256]
        with stages.time("read"):
            data = await self._originals.read(image)
        return await self._picture(self._models.card(str(model)), data, None, stages)


def _degraded(meanings: Sequence[Meaning]) -> tuple[Degradation, ...]:
    return (TEXT_CUT,) if any(each.cut for each in meanings) else ()

"""One image of an export becomes a put, or a failure with a reason.

Files are not trusted: what they say is held to the limits of the contract, vectors become unit vectors, bytes
must have their hash, and only files below `build_roots` are referred to.
"""

import asyncio
import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from soutu.domain.collection import AttributeType, Collection
from soutu.domain.embedding import Vector, checked_vector
from soutu.domain.errors import Reason, SoutuError, Status, invalid_field
from soutu.domain.exchange import Exported, ExportHeader
from soutu.domain.image import Content, Image, Keeping, Metadata, Original
from soutu.domain.model import ModelRef
from soutu.domain.writing import Failure, OnConflict, Put
from soutu.ingest.cells import ATTRIBUTE, said_of
from soutu.ingest.reading import Reader
from soutu.ingest.steady import read_steady
from soutu.ingest.storing import Storing

_SHA256 = re.compile(r"[0-9a-f]{64}")
_MEDIA_TYPE = re.compile(r"image/[a-z0-9.+-]{1,100}")
_AT_ONCE = 4
_LARGEST = 2**40
_NOWHERE = Original(Keeping.REFERENCED)
Target = tuple[Collection, frozenset[ModelRef], int]
"""The collection, the models of its generations, and its revision when the import was asked for."""


class OpenExport(Protocol):
    """What is needed of an export that is being read."""

    header: ExportHeader

    def original(self, sha256: str, limit_bytes: int) -> bytes | None:
        """The bytes that are kept under this hash, unproven; None where there are none, or more."""
        ...


class Intake:
    """Makes puts. An image whose bytes are neither in the export nor where they were, or that has more than
    `limit_bytes`, keeps no original."""

    def __init__(
        self, reader: Reader, storing: Storing, build_roots: Sequence[Path], limit_bytes: int
    ) -> None:
        self._reader = reader
        self._storing = storing
        self._roots = build_roots
        self._limit_bytes = limit_bytes
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def puts(
        self, export: OpenExport, shard: Sequence[Exported], target: Target
    ) -> Sequence[Put | Failure]:
        """One result per image, in order; faults of the service itself are raised."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._put_or_failure(export, each, target)) for each in shard]
        return [task.result() for task in tasks]

    async def _put_or_failure(self, export: OpenExport, each: Exported, target: Target) -> Put | Failure:
        async with self._turns:
            try:
                return await self._put(export, each, target)
            except SoutuError as error:
                if error.reason.status is Status.UNAVAILABLE:
                    raise
                return Failure(str(each.image.id)[:200], error.reason.name, error.message)

    async def _put(self, export: OpenExport, each: Exported, target: Target) -> Put:
        collection, models, started_at = target
        image = each.image
        metadata = _checked_metadata(image, collection.attributes)
        content = _checked_content(image.content)
        original, picture = await asyncio.to_thread(self._original, export, image)
        embeddings = await self._embeddings(export.header, each, models, picture)
        if original.keeping is Keeping.STORED:
            assert picture is not None, "only bytes that are there are stored"
            await self._storing.store(content, picture)
        return Put(
            image.id,
            content,
            original,
            metadata,
            embeddings,
            origin=image.origin,
            on_conflict=OnConflict.REPLACE,
            started_at=started_at,
            held=original.keeping is Keeping.STORED,
        )

    async def _embeddings(
        self, header: ExportHeader, each: Exported, models: frozenset[ModelRef], picture: bytes | None
    ) -> Mapping[ModelRef, Vector]:
        """The export's own embedding where its model is wanted; the others are made from the bytes."""
        known: dict[ModelRef, Vector] = {}
        if each.vector is not None and header.model in models:
            known[header.model] = checked_vector(each.vector, header.dimension)
        lacking = models - known.keys()
        if lacking and picture is not None:
            known |= (await self._reader.read(picture, lacking)).embeddings
        elif lacking and not known:
            raise SoutuError(
                Reason.ORIGINAL_GONE,
                "There is neither an embedding under the collection's model nor an original.",
            )
        return known

    def _original(self, export: OpenExport, image: Image) -> tuple[Original, bytes | None]:
        """Where the image's bytes will be, and the bytes where they are at hand."""
        picture = export.original(image.content.sha256, self._limit_bytes)
        if picture is not None:
            if hashlib.sha256(picture).hexdigest() != image.content.sha256:
                raise SoutuError(Reason.CONTENT_LOST, "The export has other bytes than it should.")
            return replace(image.original, keeping=Keeping.STORED), picture
        picture = self._referenced(image)
        return (image.original, picture) if picture is not None else (_NOWHERE, None)

    def _referenced(self, image: Image) -> bytes | None:
        """The bytes of the user's own file, where it is as it was and one that may be read."""
        path = os.path.realpath(image.original.path or "/")
        if image.original.keeping is not Keeping.REFERENCED or not any(
            Path(path).is_relative_to(os.path.realpath(root)) for root in self._roots
        ):
            return None
        if image.content.size_bytes > self._limit_bytes:
            return None
        try:
            picture = read_steady(path, image.content.size_bytes).content
        except SoutuError:
            return None
        return picture if hashlib.sha256(picture).hexdigest() == image.content.sha256 else None


def _checked_metadata(image: Image, schema: Mapping[str, AttributeType]) -> Metadata:
    """FIELD_INVALID for what the contract does not allow."""
    metadata = image.metadata
    unknown = metadata.attributes.keys() - schema.keys()
    if unknown:
        raise invalid_field(f"attributes.{min(unknown)}", "is not an attribute of the collection")
    said = said_of(
        {
            "image_id": image.id,
            "title": metadata.title,
            "tags": list(metadata.tags),
            "source_uri": metadata.source_uri,
            "category": metadata.category,
            "rating": metadata.rating,
            **{f"{ATTRIBUTE}{name}": value for name, value in metadata.attributes.items()},
        },
        schema,
    )
    empty = {name: value for name, value in metadata.attributes.items() if value in ("", ())}
    return replace(said.over(Metadata()), attributes={**empty, **said.attributes})


def _checked_content(content: Content) -> Content:
    sides = (content.width, content.height)
    if not _SHA256.fullmatch(content.sha256) or not _MEDIA_TYPE.fullmatch(content.media_type):
        raise invalid_field("content", "has no sha256 or media type of an image")
    if not 0 < content.size_bytes < _LARGEST or not all(0 < side < 2**20 for side in sides):
        raise invalid_field("content", "has impossible sizes")
    exif = content.exif
    return replace(content, exif=replace(exif, camera=str(exif.camera)[:128], lens=str(exif.lens)[:128]))

"""Files of a source become puts, or failures with a reason."""

import asyncio
import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from soutu.domain.errors import Reason, SoutuError, Status
from soutu.domain.image import Image, Keeping, Metadata, Origin, Original
from soutu.domain.writing import Failure, OnConflict, Put
from soutu.ingest.reading import Reader, Reading
from soutu.ingest.site import Site
from soutu.ingest.sources import SourceFile
from soutu.ingest.storing import Storing
from soutu.observe.logs import logger

_PATIENCE = 60
_PAUSE_S = 1.0
_log = logger(__name__)


class FileReader:
    """Reads files of sources, `parallel` at a time; none over `limit_bytes`."""

    def __init__(self, reader: Reader, storing: Storing, parallel: int, limit_bytes: int) -> None:
        self._reader = reader
        self._storing = storing
        self._turns = asyncio.Semaphore(parallel)
        self._limit_bytes = limit_bytes

    async def read(
        self, site: Site, files: Sequence[SourceFile], known: Mapping[str, Image]
    ) -> list[Put | Failure]:
        """One result per file, in order. `known` are the images that came from these paths before."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._read(site, file, known.get(file.path))) for file in files]
        return [task.result() for task in tasks]

    async def _read(self, site: Site, file: SourceFile, before: Image | None) -> Put | Failure:
        async with self._turns:
            try:
                return await self._put(site, file, before)
            except SoutuError as error:
                return Failure(file.path, error.reason.name, error.message)

    async def _put(self, site: Site, file: SourceFile, before: Image | None) -> Put:
        path = site.source.path / file.path
        picture = await asyncio.to_thread(_read_bytes, path, self._limit_bytes)
        reading = await self._read_patiently(picture, site)
        if site.keeping is Keeping.STORED:
            await self._storing.store(reading.content, picture)
        return Put(
            image_id=before.id if before else image_id_of(str(site.source.path), file.path),
            content=reading.content,
            original=Original(site.keeping, str(path), file.mtime_ns),
            metadata=before.metadata if before else Metadata(title=path.name[:512]),
            embeddings=reading.embeddings,
            origin=Origin(str(site.source.path), file.path),
            on_conflict=OnConflict.REPLACE,
            started_at=site.started_at,
        )

    async def _read_patiently(self, picture: bytes, site: Site) -> Reading:
        """Waits out a model or decoder that is away for a while: it says nothing about the picture."""
        for _ in range(_PATIENCE):
            try:
                return await self._reader.read(picture, site.models)
            except SoutuError as error:
                if error.reason.status is not Status.UNAVAILABLE:
                    raise
                _log.warning("the build waits", reason=error.reason.name)
                await asyncio.sleep(_PAUSE_S)
        return await self._reader.read(picture, site.models)


def _read_bytes(path: Path, limit_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            picture = file.read(limit_bytes + 1)
    except OSError as error:
        raise SoutuError(Reason.ORIGINAL_GONE, "The file could not be read.") from error
    if len(picture) > limit_bytes:
        raise SoutuError(Reason.IMAGE_TOO_LARGE, f"The file has more than {limit_bytes} bytes.")
    return picture


def image_id_of(source: str, path: str) -> str:
    """A readable id for the image of a source's file; the same file gets the same id again."""
    digest = hashlib.sha256(f"{source}\0{path}".encode()).hexdigest()[:12]
    stem = re.sub(r"[^a-z0-9]+", "-", path.rsplit(".", 1)[0].lower()).strip("-")[-100:].strip("-")
    return f"{stem}-{digest}" if stem else digest

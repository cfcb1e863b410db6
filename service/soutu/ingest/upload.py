"""Uploads: pictures that callers send become images."""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

from soutu.domain.collection import GenerationState, Head
from soutu.domain.errors import SoutuError
from soutu.domain.image import Image, Keeping, Metadata, Original
from soutu.domain.model import ModelRef
from soutu.domain.writing import OnConflict, OnDuplicate, Put, Receipt, Request, Written
from soutu.ingest.commits import Commits
from soutu.ingest.reading import Reader
from soutu.ingest.storing import Storing
from soutu.ports import Catalog, Fetcher


@dataclass(frozen=True, slots=True)
class Upload:
    """One picture to add: its bytes, or the address to fetch them from. An empty `image_id` lets the service
    make one."""

    picture: bytes = b""
    uri: str | None = None
    metadata: Metadata = Metadata()
    image_id: str = ""
    on_conflict: OnConflict = OnConflict.FAIL
    on_duplicate: OnDuplicate = OnDuplicate.CREATE


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What came of one upload. `created` is false where an existing image was replaced or returned."""

    image: Image
    created: bool
    receipt: Receipt


class Uploads:
    """The upload story: read, store, commit, follow.

    Of all uploads together `parallel` pictures are read at a time: a query never waits behind a whole batch.
    """

    def __init__(
        self,
        catalog: Catalog,
        reader: Reader,
        fetcher: Fetcher,
        storing: Storing,
        commits: Commits,
        parallel: int,
    ) -> None:
        self._catalog = catalog
        self._reader = reader
        self._fetcher = fetcher
        self._storing = storing
        self._commits = commits
        self._reading = asyncio.Semaphore(parallel)

    async def upload(self, collection_id: str, upload: Upload, request: Request | None) -> Uploaded:
        """Adds one picture; the answer to a known request id is the first one's."""
        head = await self._catalog.head(collection_id)
        self._commits.check_backlog(head)
        put = await self._put(head, await models_of(self._catalog, head), upload)
        commit = await self._commits.commit(head, [put], request=request)
        return uploaded(commit.outcomes[0], await self._commits.receipt(head, commit.revision))

    async def upload_batch(
        self, collection_id: str, uploads: Sequence[Upload | SoutuError]
    ) -> list[Uploaded | SoutuError]:
        """Adds several pictures in one transaction; each has its own outcome, in order. Those that are
        errors already are passed through."""
        head = await self._catalog.head(collection_id)
        self._commits.check_backlog(head)
        models = await models_of(self._catalog, head)
        puts = await asyncio.gather(*(self._put_or_error(head, models, upload) for upload in uploads))
        good = [put for put in puts if isinstance(put, Put)]
        if not good:
            return [put for put in puts if isinstance(put, SoutuError)]
        commit = await self._commits.commit(head, good)
        receipt = await self._commits.receipt(head, commit.revision)
        outcomes = iter(commit.outcomes)
        return [
            put if isinstance(put, SoutuError) else uploaded_or_error(next(outcomes), receipt) for put in puts
        ]

    async def _put_or_error(
        self, head: Head, models: set[ModelRef], upload: Upload | SoutuError
    ) -> Put | SoutuError:
        if isinstance(upload, SoutuError):
            return upload
        try:
            return await self._put(head, models, upload)
        except SoutuError as error:
            return error

    async def _put(self, head: Head, models: set[ModelRef], upload: Upload) -> Put:
        picture = upload.picture if upload.uri is None else await self._fetcher.fetch(upload.uri)
        async with self._reading:
            reading = await self._reader.read(picture, models)
            await self._storing.store(reading.content, picture)
        return Put(
            image_id=upload.image_id or uuid.uuid4().hex,
            content=reading.content,
            original=Original(Keeping.STORED),
            metadata=reading.annotations.under(_with_source(upload.metadata, upload.uri)),
            embeddings=reading.embeddings,
            on_conflict=upload.on_conflict,
            on_duplicate=upload.on_duplicate,
            started_at=head.collection.revision,
            held=True,
        )


def _with_source(metadata: Metadata, uri: str | None) -> Metadata:
    """The metadata; a picture that was fetched says where from unless its user does."""
    return replace(metadata, source_uri=uri) if uri and not metadata.source_uri else metadata


async def models_of(catalog: Catalog, head: Head) -> set[ModelRef]:
    """The models of all generations that follow the collection."""
    generations = await catalog.generations(head.collection.uid)
    return {each.model for each in generations if each.state is not GenerationState.FAILED}


def uploaded(outcome: Written | SoutuError, receipt: Receipt) -> Uploaded:
    """The outcome of a put; raises it where it is an error."""
    if isinstance(outcome, SoutuError):
        raise outcome
    assert outcome.image is not None, "a put leaves an image"
    return Uploaded(outcome.image, outcome.created, receipt)


def uploaded_or_error(outcome: Written | SoutuError, receipt: Receipt) -> Uploaded | SoutuError:
    """The outcome of a put in a batch."""
    return outcome if isinstance(outcome, SoutuError) else uploaded(outcome, receipt)

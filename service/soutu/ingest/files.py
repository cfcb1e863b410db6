"""Items of a source become puts, or failures with a reason: in the source's order, several at a time."""

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from soutu.domain.errors import SoutuError, Status
from soutu.domain.image import Image, Keeping, Metadata, Origin, Original
from soutu.domain.writing import Failure, OnConflict, Put
from soutu.imaging.limits import DecodeLimits
from soutu.ingest.courtesy import Courtesy
from soutu.ingest.naming import free_ids
from soutu.ingest.patience import patiently
from soutu.ingest.plan import same_sidecar
from soutu.ingest.reading import Reader
from soutu.ingest.site import Site
from soutu.ingest.sources import Item
from soutu.ingest.specs import is_raw
from soutu.ingest.storing import Storing
from soutu.ingest.taking import Handful, Taken, Wanted, handfuls
from soutu.ingest.upload import models_of
from soutu.ports import Catalog

_LOOKED_UP = 64
_AHEAD = 128


@dataclass(frozen=True, slots=True)
class Handled:
    """What came of one item: a put, a failure, or nothing where its image is as the item is. `known` says
    that an image came from this item before. `remark` is a fault of something beside it, such as its sidecar.
    """

    item: Item
    outcome: Put | Failure | None
    known: bool
    remark: Failure | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    """What the catalogue holds for a few items: images by path, and ids for those without."""

    images: Mapping[str, Image]
    ids: Mapping[str, str]


class FileReader:
    """Reads items of sources, `parallel` at a time over all sources; none larger than the limits allow."""

    def __init__(
        self,
        catalog: Catalog,
        reader: Reader,
        storing: Storing,
        courtesy: Courtesy,
        *,
        parallel: int,
        limits: DecodeLimits,
    ) -> None:
        self._catalog = catalog
        self._reader = reader
        self._storing = storing
        self._courtesy = courtesy
        self._turns = asyncio.Semaphore(parallel)
        self._limits = limits

    async def handled(self, site: Site, items: Sequence[Item]) -> AsyncGenerator[Handled, None]:
        """One result per item, in order; the work goes on ahead of whoever takes them. A fault of the service
        that lasts is raised. To be closed (`aclosing`) where it is not exhausted."""
        ahead: deque[Handled | asyncio.Task[Handled]] = deque()
        try:
            async with aclosing(self._begun(site, items)) as begun:
                async for each in begun:
                    ahead.append(each)
                    if len(ahead) > _AHEAD:
                        yield await _ended(ahead.popleft())
            while ahead:
                yield await _ended(ahead.popleft())
        finally:
            left = [each for each in ahead if isinstance(each, asyncio.Task)]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def digests(self, site: Site, items: Sequence[Item]) -> Mapping[str, str]:
        """The SHA-256 of the items' bytes as they are now, by path, of those that can be read."""
        hashes: dict[str, str] = {}
        for start in range(0, len(items), _LOOKED_UP):
            some = items[start : start + _LOOKED_UP]
            found = await asyncio.gather(*(self._digest(site, item) for item in some))
            hashes |= {item.path: each for item, each in zip(some, found, strict=True) if each}
        return hashes

    def _limit_bytes(self, item: Item) -> int:
        return self._limits.raw_size_bytes if is_raw(item.path) else self._limits.size_bytes

    async def _digest(self, site: Site, item: Item) -> str:
        async with self._turns, self._courtesy.turn():
            try:
                picture = await asyncio.to_thread(site.source.read, item, self._limit_bytes(item))
            except SoutuError:
                return ""  # whoever reads it next says why
            return await asyncio.to_thread(lambda: hashlib.sha256(picture.content).hexdigest())

    async def _begun(
        self, site: Site, items: Sequence[Item]
    ) -> AsyncGenerator[Handled | asyncio.Task[Handled], None]:
        order = asyncio.Lock()  # first come, first served: the bytes are read in the source's order
        for start in range(0, len(items), _LOOKED_UP):
            some = items[start : start + _LOOKED_UP]
            site = replace(site, models=frozenset(await models_of(self._catalog, site.head)))
            known = await self._known(site, [item.path for item in some if not item.failure])
            for handled in self._in_order(site, some, known, order):
                yield handled

    def _in_order(
        self, site: Site, items: Sequence[Item], known: _Known, order: asyncio.Lock
    ) -> Iterator[Handled | asyncio.Task[Handled]]:
        before = {item.place: known.images.get(item.path) for item in items}
        left = [item for item in items if not (item.failure or _is_as_before(before[item.place], item))]
        wanted = [
            Wanted(item, before[item.place] or known.ids[item.path], self._limit_bytes(item)) for item in left
        ]
        of = {
            each.item.place: (each, handful)
            for some in handfuls(wanted)
            for handful in [Handful(some, site, self._reader, order)]
            for each in some
        }
        for item in items:
            if item.place in of:
                yield asyncio.create_task(self._handle(site, *of[item.place]))
            else:
                yield Handled(item, item.failure, bool(before[item.place]))

    async def _known(self, site: Site, paths: Sequence[str]) -> _Known:
        uid, source = site.head.collection.uid, site.source.name
        images = await self._catalog.images_by_path(uid, source, paths)
        fresh = [path for path in paths if path not in images]
        return _Known(images, await free_ids(self._catalog, uid, source, fresh))

    async def _handle(self, site: Site, wanted: Wanted, handful: Handful) -> Handled:
        item, before = wanted.item, wanted.before
        is_known = isinstance(before, Image)
        async with self._turns, self._courtesy.turn():
            try:
                taken = await handful.take(item)
                put = await self._put(site, wanted, taken)
            except SoutuError as error:
                if error.reason.status is Status.UNAVAILABLE:
                    raise
                return Handled(item, Failure(item.path, error.reason.name, error.message), is_known)
        return Handled(item, put, is_known, taken.beside.fault)

    async def _put(self, site: Site, wanted: Wanted, taken: Taken) -> Put:
        item, before, picture = wanted.item, wanted.before, taken.picture
        reading = await patiently(lambda: self._reader.read(picture.content, site.models, taken.known))
        if site.keeping is Keeping.STORED:
            await patiently(lambda: self._storing.store(reading.content, picture.content))
        if isinstance(before, Image):
            image_id, metadata, on_conflict = before.id, before.metadata, OnConflict.REPLACE
        else:
            image_id, on_conflict = item.said.image_id or before, OnConflict.FAIL
            metadata = reading.annotations.over(Metadata(title=item.path.rpartition("/")[2][:512]))
        return Put(
            image_id=image_id,
            content=reading.content,
            original=Original(site.keeping, picture.path, picture.mtime_ns, taken.beside.stamp),
            metadata=item.said.over(taken.beside.annotations.over(metadata)),
            embeddings=reading.embeddings,
            origin=Origin(site.source.name, item.path),
            on_conflict=on_conflict,
            started_at=site.started_at,
            held=site.keeping is Keeping.STORED,
        )


async def _ended(each: Handled | asyncio.Task[Handled]) -> Handled:
    return each if isinstance(each, Handled) else await each


def _is_as_before(image: Image | None, item: Item) -> bool:
    if image is None:
        return False
    if item.said.over(image.metadata) != image.metadata or not same_sidecar(item, image.original.sidecar):
        return False
    return (image.original.mtime_ns, image.content.size_bytes) == (item.mtime_ns, item.size_bytes)

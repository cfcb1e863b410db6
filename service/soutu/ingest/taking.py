"""Taking up files a few at a time: a thread and the catalogue are asked once for all of them."""

import asyncio
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from soutu.domain.errors import SoutuError
from soutu.domain.image import Image
from soutu.ingest.beside import Beside, beside_of
from soutu.ingest.patience import patiently
from soutu.ingest.reading import Known, Reader
from soutu.ingest.site import Site
from soutu.ingest.sources import Item, Picture, Place

_FILES = 8
_SMALL_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Wanted:
    """An item to be read, its image or the id of a new one, and how large it may be."""

    item: Item
    before: Image | str
    limit_bytes: int


@dataclass(frozen=True, slots=True)
class Taken:
    """The bytes of an item, what the catalogue knows of them, and what lies beside it."""

    picture: Picture
    known: Known
    beside: Beside


_Read = tuple[Picture, str, Beside]


class Handful:
    """A few items of a source, taken up together when the first of them is wanted. Each is handed out once:
    its bytes are held no longer than they are needed."""

    def __init__(self, wanted: Sequence[Wanted], site: Site, reader: Reader, order: asyncio.Lock) -> None:
        self._wanted = wanted
        self._site = site
        self._reader = reader
        self._order = order  # of the source: its items are read as they lie in it
        self._taking: asyncio.Task[None] | None = None
        self._found: dict[Place, Taken | SoutuError] = {}

    async def take(self, item: Item) -> Taken:
        """One of the items; errors as of `Source.read`."""
        if self._taking is None:
            self._taking = asyncio.create_task(self._take_all())
        await asyncio.shield(self._taking)
        found = self._found.pop(item.place)
        if isinstance(found, SoutuError):
            raise found
        return found

    async def _take_all(self) -> None:
        async with self._order:
            read = await asyncio.to_thread(self._read_all)
        whole = {place: each for place, each in read.items() if not isinstance(each, SoutuError)}
        hashes = [sha256 for _, sha256, _ in whole.values()]
        known = await patiently(lambda: self._reader.known(hashes, self._site.models))
        self._found.update({place: each for place, each in read.items() if isinstance(each, SoutuError)})
        for (place, (picture, _, beside)), each in zip(whole.items(), known, strict=True):
            self._found[place] = Taken(picture, each, beside)

    def _read_all(self) -> dict[Place, _Read | SoutuError]:
        """Blocks."""
        return {wanted.item.place: self._read(wanted) for wanted in self._wanted}

    def _read(self, wanted: Wanted) -> _Read | SoutuError:
        source = self._site.source
        try:
            picture = source.read(wanted.item, wanted.limit_bytes)
        except SoutuError as error:
            return error
        sha256 = hashlib.sha256(picture.content).hexdigest()
        return picture, sha256, beside_of(source, wanted.item, wanted.before)


def handfuls(wanted: Sequence[Wanted]) -> Iterator[Sequence[Wanted]]:
    """`wanted` in order, a few at a time: fewer where they are large."""
    some: list[Wanted] = []
    size_bytes = 0
    for each in wanted:
        size_bytes += each.item.size_bytes
        if some and (len(some) == _FILES or size_bytes > _SMALL_BYTES):
            yield some
            some, size_bytes = [], each.item.size_bytes
        some.append(each)
    if some:
        yield some

"""Whole answers to searches, kept for as long as nothing has changed.

An answer is kept under the collection's uid, the generation's uid, the revision that both the catalogue and
the index had when it was begun and still had later, the candidate-list size that the index is tuned to, and
the hash of the request: so it is found before anything is decoded, and a write makes it unfindable.
"""

import asyncio
import hashlib
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

from google.protobuf.message import DecodeError

from soutu.domain.query import ImageBytes, Query, with_subjects
from soutu.ports import Cache
from soutu.search.search import Opening
from soutu.v1 import search_pb2

_Given = TypeVar("_Given")
_Result = TypeVar("_Result")
_KEY = struct.Struct(">6sQQQI32s")
_HASHED_AT_ONCE_BYTES = 1024 * 1024  # a millisecond of the event loop


async def hashed(query: Query) -> Query:
    """The query, whose pictures know their hashes."""
    pictures = [part.subject for part in query.parts if isinstance(part.subject, ImageBytes)]
    if not pictures:
        return query
    contents = [picture.data for picture in pictures]
    hashes = iter(await _beside(_hashes, contents, size_bytes=sum(map(len, contents))))
    subjects = [
        replace(part.subject, sha256=next(hashes)) if isinstance(part.subject, ImageBytes) else part.subject
        for part in query.parts
    ]
    return with_subjects(query, subjects)


async def digest_of(request: search_pb2.SearchRequest, query: Query) -> bytes:
    """The hash of a request, of which the hashed `query` was made; empty where its answer may be neither kept
    nor recalled. Puts its hash in the place of each picture in the request: a picture of 20 MiB would take
    15 ms of everybody's time to be written again."""
    if request.skip_cache or _looks_elsewhere(request):
        return b""
    for given, part in zip(request.parts, query.parts, strict=True):
        if isinstance(part.subject, ImageBytes):
            given.image = part.subject.sha256
    return await _beside(_digest, request, size_bytes=request.ByteSize())


async def _beside(work: Callable[[_Given], _Result], given: _Given, *, size_bytes: int) -> _Result:
    """What `work` makes of so many bytes; beside the event loop where they are many."""
    if size_bytes > _HASHED_AT_ONCE_BYTES:
        return await asyncio.to_thread(work, given)
    return work(given)


def _hashes(pictures: Sequence[bytes]) -> list[bytes]:
    return [hashlib.sha256(picture).digest() for picture in pictures]


def _digest(request: search_pb2.SearchRequest) -> bytes:
    return hashlib.sha256(request.SerializeToString(deterministic=True)).digest()


def _looks_elsewhere(request: search_pb2.SearchRequest) -> bool:
    """Whether a part is to be fetched: what lies at an address may change without a write."""
    return any(part.WhichOneof("subject") == "uri" for part in request.parts)


class Answers:
    """Remembers search answers in a cache, and has one call make what several ask for at the same time."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._making: dict[bytes, asyncio.Future[search_pb2.SearchResponse | None]] = {}
        self._keeping: set[asyncio.Task[None]] = set()

    def key(self, digest: bytes, opening: Opening) -> bytes | None:
        """The key of an answer that may be kept or recalled now; None where none may be, as while the
        catalogue is away: what was an answer may have been deleted since, or purged."""
        if not digest or opening.degraded or not opening.current:
            return None
        head = opening.head
        uids = head.collection.uid, head.generation.uid
        return _KEY.pack(b"answer", *uids, opening.followed, head.generation.index.candidates, digest)

    async def recall(self, key: bytes) -> search_pb2.SearchResponse | None:
        """The answer under the key, marked as cached; one that another call is just making is waited for.
        None where there is none, or that call has failed or kept nothing."""
        kept = await self._cache.get(key)
        if kept is None:
            return await self._made(key)
        try:
            return _marked(search_pb2.SearchResponse.FromString(kept))
        except DecodeError:  # a shared cache may hold anything
            return None

    @contextmanager
    def making(self, key: bytes | None) -> Iterator[Callable[[search_pb2.SearchResponse], None]]:
        """Surrounds the making of an answer, for which those who recall it wait. Gives what keeps one that is
        current and that nothing was left out of: nobody waits for that. Nothing is kept without a key."""
        if key is None or key in self._making:
            yield lambda _: None
            return
        made = self._making[key] = asyncio.get_running_loop().create_future()
        try:
            yield made.set_result
        finally:
            if made.done():
                self._keep(key, made.result())
            else:
                made.set_result(None)
                del self._making[key]

    async def close(self) -> None:
        """Waits until the cache has taken what is being kept."""
        await asyncio.gather(*self._keeping)

    async def _made(self, key: bytes) -> search_pb2.SearchResponse | None:
        making = self._making.get(key)
        if making is None:
            return None
        await asyncio.wait([making])
        answer = making.result()
        if answer is None:
            return None
        own = search_pb2.SearchResponse()
        own.CopyFrom(answer)
        return _marked(own)

    def _keep(self, key: bytes, answer: search_pb2.SearchResponse) -> None:
        """It is found here until the cache has it."""
        keeping = asyncio.create_task(self._put(key, answer))
        self._keeping.add(keeping)
        keeping.add_done_callback(self._keeping.discard)
        keeping.add_done_callback(lambda _: self._making.pop(key))

    async def _put(self, key: bytes, answer: search_pb2.SearchResponse) -> None:
        await self._cache.put(key, answer.SerializeToString())


def _marked(answer: search_pb2.SearchResponse) -> search_pb2.SearchResponse:
    """The answer, which says that it was not made for this call."""
    answer.report.cached = True
    del answer.report.stages[:]
    return answer

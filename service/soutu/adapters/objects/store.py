"""The ObjectStore port over any store that obstore speaks to."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from obstore.exceptions import BaseError
from obstore.store import ObjectStore

from soutu.domain.errors import Reason, SoutuError, invalid_field

_SEGMENT = r"[a-z0-9][a-z0-9._@-]{0,199}"
_KEY = re.compile(rf"{_SEGMENT}(/{_SEGMENT}){{0,7}}")


class ObstoreObjects:
    """Immutable bytes under keys; as durable as the store's own answer, which for S3 is durable.

    Every method raises FIELD_INVALID for a key that is none, and OBJECTS_UNAVAILABLE when the store cannot
    do its part.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def put(self, key: str, data: bytes) -> None:
        """Stores the bytes, for good on return; the same bytes again mend what was damaged."""
        _checked(key)
        with _translated():
            await self._write(key, data)

    async def get(self, key: str) -> bytes:
        """The bytes; CONTENT_LOST if there is nothing under the key."""
        _checked(key)
        with _translated():
            result = await self._store.get_async(key)
            return bytes(await result.bytes_async())

    async def stream(self, key: str, chunk_bytes: int) -> AsyncIterator[bytes]:
        """The bytes in order, in pieces of at most `chunk_bytes`; CONTENT_LOST before the first of them."""
        _checked(key)
        with _translated():
            result = await self._store.get_async(key)
            async for part in result.stream(min_chunk_size=chunk_bytes):
                for start in range(0, len(part), chunk_bytes):
                    yield bytes(part[start : start + chunk_bytes])

    async def exists(self, key: str) -> bool:
        """Whether there are bytes under the key."""
        _checked(key)
        with _translated():
            try:
                await self._store.head_async(key)
            except FileNotFoundError:
                return False
            return True

    async def delete(self, key: str) -> None:
        """Removes the bytes; a key that is not there is no error."""
        _checked(key)
        with _translated():
            try:
                await self._store.delete_async(key)
            except FileNotFoundError:
                return

    async def _write(self, key: str, data: bytes) -> None:
        await self._store.put_async(key, data, use_multipart=False)


def _checked(key: str) -> None:
    if not _KEY.fullmatch(key):
        raise invalid_field("key", "must be up to eight segments of a-z, 0-9, '.', '_', '@' and '-'")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise SoutuError(Reason.CONTENT_LOST) from error
    except (BaseError, OSError) as error:
        raise SoutuError(Reason.OBJECTS_UNAVAILABLE) from error

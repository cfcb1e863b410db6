"""A bounded cache in this process."""

from collections import OrderedDict

_ENTRY_BYTES = 200  # what the dictionary and the objects take beside the bytes, roughly


class MemoryCache:
    """The Cache port: at most `limit_bytes` of keys and values, the least recently used go first."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._entries: OrderedDict[bytes, bytes] = OrderedDict()
        self.size_bytes = 0

    async def get(self, key: bytes) -> bytes | None:
        """What was put under the key, if it is still there."""
        value = self._entries.get(key)
        if value is not None:
            self._entries.move_to_end(key)
        return value

    async def put(self, key: bytes, value: bytes) -> None:
        """Keeps the value; one that is larger than a quarter of the cache is not worth it."""
        if _size(key, value) > self._limit_bytes // 4:
            return
        self._forget(key)
        self._entries[key] = value
        self.size_bytes += _size(key, value)
        while self.size_bytes > self._limit_bytes:
            self._forget(next(iter(self._entries)))

    async def ping(self) -> None:
        """Returns: it is here."""

    async def clear(self) -> None:
        """Forgets everything."""
        self._entries.clear()
        self.size_bytes = 0

    async def close(self) -> None:
        """Nothing is to be closed."""

    def _forget(self, key: bytes) -> None:
        value = self._entries.pop(key, None)
        if value is not None:
            self.size_bytes -= _size(key, value)


def _size(key: bytes, value: bytes) -> int:
    return len(key) + len(value) + _ENTRY_BYTES

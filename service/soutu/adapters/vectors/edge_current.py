"""The shard that calls go to now, and the exchange of one for another while they go on."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from threading import Condition, Lock

from soutu.adapters.vectors.edge_loaded import LoadedShard


class CurrentShard:
    """Readers take the shard as it is, writers one at a time. Thread-safe."""

    def __init__(self, loaded: LoadedShard) -> None:
        self._loaded = loaded
        self._moved = Condition()
        self._writing = Lock()
        self._touched: set[int] | None = None

    @contextmanager
    def reading(self) -> Iterator[LoadedShard]:
        """The current shard, which stays open until the end of this."""
        with self._moved:
            loaded = self._loaded
            loaded.users += 1
        try:
            yield loaded
        finally:
            with self._moved:
                loaded.users -= 1
                self._moved.notify_all()

    @contextmanager
    def writing(self, uids: Iterable[int] = ()) -> Iterator[LoadedShard]:
        """The current shard for one writer, which may change these `uids`; they are remembered if asked."""
        with self._writing:
            if self._touched is not None:
                self._touched.update(uids)
            yield self._loaded

    def remember(self) -> None:
        """From now on the uids that writers change are remembered. To be called by a writer."""
        self._touched = set()

    def remembered(self, limit: int | None = None) -> list[int]:
        """Up to `limit` of the uids since remember(), which are forgotten. To be called by a writer."""
        assert self._touched is not None, "remember() was called"
        taken = list(islice(self._touched, limit))
        self._touched.difference_update(taken)
        return taken

    def forget(self) -> None:
        """No uids are remembered any more."""
        with self._writing:
            self._touched = None

    def replace(self, loaded: LoadedShard) -> LoadedShard:
        """Makes `loaded` the current shard; returns the one before, once no reader is left in it. To be
        called by a writer."""
        with self._moved:
            before, self._loaded = self._loaded, loaded
            self._moved.wait_for(lambda: before.users == 0)
        return before

"""The one Milvus of a test session, since its etcd lets only one run on a machine."""

import fcntl
import itertools
import re
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from pymilvus import MilvusClient

from scripts.stack.places import StackError
from scripts.stack.running import Running, ended, launched
from soutu.adapters.vectors.milvus import MilvusIndex
from soutu.adapters.vectors.milvus_server import MilvusAddress

_LOCK = Path(tempfile.gettempdir()) / "soutu-tests-milvus.lock"
_OURS = re.compile(r"t\d+_")
WAIT_S = 30.0


class TestedMilvus:
    """A real Milvus that may be stopped, and started again at the same address with what it held."""

    __test__ = False

    def __init__(self, place: Path) -> None:
        self._place = place
        self._prefixes = itertools.count(1)
        self.running: Running = launched("milvus", place)

    @property
    def settings(self) -> Mapping[str, str]:
        """Soutu's settings for it, with collections of their own for each who asks."""
        self.revive()
        return {**self.running.settings, "SOUTU_INDEX_PREFIX": self._prefix()}

    @property
    def url(self) -> str:
        return self.running.settings["SOUTU_INDEX_URL"]

    def index(self, *, prefix: str = "", wait_s: float = WAIT_S, build_wait_s: float = 300.0) -> MilvusIndex:
        """An adapter, to be used in one loop, with collections of its own or those of a prefix."""
        return MilvusIndex.connected(
            MilvusAddress(self.url), prefix=prefix or self._prefix(), wait_s=wait_s, build_wait_s=build_wait_s
        )

    def client(self) -> MilvusClient:
        """Milvus by itself, to do to it what we never would."""
        return MilvusClient(self.url, timeout=WAIT_S, dedicated=True)

    def collections(self) -> list[str]:
        """The names of what lies under the prefixes that were given out here; services that run for a whole
        session have others."""
        client = self.client()
        names = [name for name in client.list_collections() if _OURS.match(name)]
        client.close()
        return names

    def clear(self) -> None:
        """Drops all of those."""
        client = self.client()
        for name in self.collections():
            client.drop_collection(name)
        client.close()

    def revive(self) -> None:
        """Starts it again where it has ended by itself, as it does when it was held up for long."""
        if not _answers(int(self.url.rpartition(":")[2])):
            self.stop()
            self.start()

    def stop(self) -> None:
        """Ends the server."""
        ended(self.running)

    def start(self) -> None:
        """Starts it again."""
        self.running = launched("milvus", self._place)

    def _prefix(self) -> str:
        return f"t{next(self._prefixes)}"


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def tested_milvus(place: Path) -> Iterator[TestedMilvus]:
    """The server, once no other session of tests has one. Where it cannot be installed the test is skipped,
    which CI does not accept."""
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            milvus = TestedMilvus(place)
        except StackError as error:
            pytest.skip(str(error))
        try:
            yield milvus
        finally:
            milvus.stop()

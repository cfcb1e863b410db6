"""Several processes that serve one port: started together, replaced when they die, ended together.

Each is a whole server with a data directory of its own below the one of all. The kernel spreads connections
over them (SO_REUSEPORT).
"""

import asyncio
import multiprocessing
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from soutu.adapters.data_directory import DataDirectory
from soutu.bootstrap import serves_beside_others
from soutu.domain.errors import Reason, SoutuError
from soutu.observe.busyness import watched_loop
from soutu.observe.logs import configure, logger
from soutu.settings import Settings, SettingsError

_START_S = 120.0
_AGAIN_S = 1.0  # before one that died is started again
_log = logger(__name__)


def refuse_lonely(settings: Settings) -> None:
    """SettingsError unless several processes can serve what the settings name."""
    named = {
        "catalog.url": settings.catalog.on_server,
        "index.url": bool(settings.index.url),
        "objects.url": bool(settings.objects.url),
    }
    if missing := [key for key, given in named.items() if not given]:
        raise SettingsError(
            f"--workers needs a catalogue, an index and objects that several processes can use: set"
            f" {' and '.join(missing)}."
        )
    assert serves_beside_others(settings), "the settings name servers for all parts"


def serve_together(settings: Settings, count: int, ready: Callable[[str], None]) -> None:
    """Serves with `count` processes until SIGTERM or SIGINT; `ready` is told the address once all of them
    answer. SettingsError, DATA_DIRECTORY_UNUSABLE; OSError if the port cannot be had."""
    refuse_lonely(settings)
    configure(settings.log.level, settings.log.format)
    directory = DataDirectory.open(settings.data_dir)
    try:
        with _reserved(settings.server.host, settings.server.port) as port:
            crew = _Crew(settings, f"{settings.server.host}:{port}", count)
            try:
                crew.start()
                directory.announce(crew.address, tls=settings.server.tls_certificate is not None)
                ready(crew.address)
                crew.mind()
            finally:
                crew.end()
    finally:
        directory.close()


@dataclass
class _Worker:
    process: SpawnProcess
    line: Connection  # closed when either side is gone


class _Crew:
    """The processes, by their number."""

    def __init__(self, settings: Settings, address: str, count: int) -> None:
        self.address = address
        self._settings = settings
        self._count = count
        self._context = multiprocessing.get_context("spawn")
        self._workers: dict[int, _Worker] = {}
        self._ended = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end_soon)

    def start(self) -> None:
        """Starts all, and returns once all answer; SoutuError where one does not come up."""
        for number in range(self._count):
            self._launch(number)
        for worker in self._workers.values():
            if not self._ended and not _came_up(worker):
                raise SoutuError(Reason.SHUTTING_DOWN, "A worker did not start; the log says why.")

    def mind(self) -> None:
        """Replaces whoever dies, until the end is asked for."""
        while not self._ended:
            wait([worker.process.sentinel for worker in self._workers.values()], timeout=0.2)
            for number, worker in list(self._workers.items()):
                if not self._ended and worker.process.exitcode is not None:
                    _log.warning(
                        "a worker died and is started again", worker=number, exit_code=worker.process.exitcode
                    )
                    worker.line.close()
                    time.sleep(_AGAIN_S)
                    self._launch(number)

    def end(self) -> None:
        """Asks all to end, and waits until they have."""
        for worker in self._workers.values():
            if worker.process.exitcode is None:
                worker.process.terminate()
        patience_s = self._settings.server.drain_s + 30
        for worker in self._workers.values():
            worker.process.join(patience_s)
            if worker.process.exitcode is None:
                worker.process.kill()

    def _launch(self, number: int) -> None:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_work, args=(self._settings, self.address, number, theirs), name=f"worker {number}"
        )
        process.start()
        theirs.close()
        self._workers[number] = _Worker(process, ours)

    def _end_soon(self, number: int, frame: object) -> None:
        self._ended = True


def _came_up(worker: _Worker) -> bool:
    try:
        return worker.line.poll(_START_S) and worker.line.recv() == "ready"
    except EOFError:
        return False


def _work(settings: Settings, address: str, number: int, line: Connection) -> None:
    """The life of one worker."""
    with asyncio.Runner(loop_factory=watched_loop) as runner:
        runner.run(_served(settings, address, number, line))


async def _served(settings: Settings, address: str, number: int, line: Connection) -> None:
    from soutu.serving import Place, serve

    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop.set)
    loop.add_reader(line.fileno(), stop.set)  # whoever minds us is gone
    place = Place(settings.data_dir / "workers" / str(number), number, shared_port=True)
    try:
        await serve(settings, address=address, ready=lambda _: line.send("ready"), stop=stop, place=place)
    finally:
        loop.remove_reader(line.fileno())


@contextmanager
def _reserved(host: str, port: int) -> Iterator[int]:
    """The port, kept from others while the context lasts; a free one for 0."""
    family, *_, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, socket.SOCK_STREAM) as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        kept.bind(address)
        yield kept.getsockname()[1]

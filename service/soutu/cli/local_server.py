"""The server, run by a thread of this process for the length of one command."""

import asyncio
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from soutu.settings import Settings

# sun_path is 108 bytes with its final zero on Linux, 104 on macOS.
_SOCKET_PATH_BYTES = 100


@contextmanager
def local_server(settings: "Settings") -> Iterator[str]:
    """Serves on a private socket and yields its address; the server has drained when the context ends.

    Raises what `serve` raises where it cannot start, as when another server holds the data directory.
    """
    with socket_directory(settings.data_dir) as directory:
        server = _ServerThread(settings, f"unix:{directory / 'cli.sock'}")
        server.start()
        try:
            yield server.address.result()
        finally:
            server.stop()


@contextmanager
def socket_directory(data_dir: Path) -> Iterator[Path]:
    """The data directory, which the server makes, or a temporary one where its path is too long."""
    directory = data_dir.resolve()
    if len(bytes(directory / "cli.sock")) <= _SOCKET_PATH_BYTES:
        yield directory
        return
    with tempfile.TemporaryDirectory(prefix="soutu-") as short:
        yield Path(short)


class _ServerThread:
    """`address` is known once the server serves, or holds the error that kept it from starting."""

    def __init__(self, settings: "Settings", address: str) -> None:
        self.address: Future[str] = Future()
        self._settings = settings
        self._asked_address = address
        self._loop = asyncio.new_event_loop()
        self._ending = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="soutu-server")

    def start(self) -> None:
        """Begins; `address` says when it serves."""
        self._thread.start()

    def stop(self) -> None:
        """Asks the server to drain, and waits until it has."""
        with suppress(RuntimeError):  # its loop is closed: it has ended by itself
            self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()

    def _run(self) -> None:
        from soutu.serving import serve

        work = serve(
            self._settings, address=self._asked_address, ready=self.address.set_result, stop=self._ending
        )
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(work)
        except BaseException as error:
            if self.address.done():
                raise
            self.address.set_exception(error)

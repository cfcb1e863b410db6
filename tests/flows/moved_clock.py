"""A server whose clock a test moves: `python -m tests.flows.moved_clock DATA_DIR OFFSET_FILE`.

The file holds how many seconds the clock is ahead of the machine's, and may be written anew at any time.
"""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from soutu.observe.clock import SystemClock
from soutu.serving import serve
from soutu.settings import load_settings
from tests.flows.served import Served


class MovedClock(SystemClock):
    """The machine's clock, moved by what a file says; durations are as ever."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def now(self) -> datetime:
        """The moment that the clock shows."""
        return super().now() + timedelta(seconds=float(self._file.read_text()))


class ClockedServer(Served):
    """A server with a clock of its own."""

    def __init__(
        self, directory: Path, roots: Sequence[Path] = (), settings: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(directory, roots, settings)
        self._offset = directory / "offset"
        directory.mkdir(parents=True, exist_ok=True)
        self.move(0)

    def move(self, seconds: float) -> None:
        """Sets the clock ahead, or back, at once."""
        staged = self._offset.with_suffix(".new")
        staged.write_text(str(seconds))
        staged.replace(self._offset)

    def program(self) -> Sequence[str]:
        return "tests.flows.moved_clock", str(self.data_dir), str(self._offset)


if __name__ == "__main__":
    settings = load_settings(None, os.environ, {"data_dir": sys.argv[1], "server.port": 0})
    asyncio.run(serve(settings, clock=MovedClock(Path(sys.argv[2]))))

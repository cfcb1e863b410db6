"""From settings to a service: adapters are chosen and opened in order, handed to the stories, and closed."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from soutu.adapters.backups import restore
from soutu.adapters.catalog.snapshots import SqliteFiles
from soutu.adapters.data_directory import DataDirectory
from soutu.bootstrap.adapters import (
    BUNDLED_MODEL,
    BUNDLED_MODELS,
    Adapters,
    model_store,
    objects_kept,
    opened,
    serves_beside_others,
)
from soutu.bootstrap.limits import cores, decode_limits
from soutu.bootstrap.stories import Stories, assembled
from soutu.domain.backup import Restored
from soutu.domain.errors import Reason, SoutuError
from soutu.observe.clock import SystemClock
from soutu.observe.metrics import Metrics
from soutu.ports import Clock
from soutu.settings import Settings

__all__ = [
    "BUNDLED_MODEL",
    "BUNDLED_MODELS",
    "Service",
    "cores",
    "decode_limits",
    "model_store",
    "restored",
    "running",
    "serves_beside_others",
]


@dataclass(frozen=True, slots=True)
class Service:
    """A service that runs, without its servers."""

    settings: Settings
    adapters: Adapters
    stories: Stories
    metrics: Metrics


@asynccontextmanager
async def running(
    settings: Settings, directory: DataDirectory, metrics: Metrics, clock: Clock | None = None
) -> AsyncIterator[Service]:
    """The service on the embedded adapters in `directory`; what it follows is written down at the end. It
    goes by the machine's clock, or another that is given."""
    async with AsyncExitStack() as stack:
        adapters = await opened(settings, directory, metrics, clock or SystemClock(), stack)
        stories = await assembled(settings, adapters, metrics, stack)
        yield Service(settings, adapters, stories, metrics)


async def restored(settings: Settings, backup: Path) -> Restored:
    """Takes a backup into the data directory, which must be empty and without a server:
    DATA_DIRECTORY_UNUSABLE, DEPLOYMENT_NOT_EMPTY, SOURCE_NOT_FOUND, CONTENT_LOST; BACKUP_UNSUPPORTED where
    the settings name another catalogue than the one in the data directory."""
    if settings.catalog.on_server:
        message = "A backup is restored into the data directory: unset catalog.url."
        raise SoutuError(Reason.BACKUP_UNSUPPORTED, message)
    directory = DataDirectory.open(settings.data_dir)
    try:
        return await restore(backup, directory.path, partial(objects_kept, settings), SqliteFiles())
    finally:
        directory.close()

"""Work that goes on beside the service and ends with it."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from soutu.observe.logs import logger

_log = logger(__name__)


def in_background(work: Coroutine[Any, Any, None], name: str) -> Callable[[], Awaitable[None]]:
    """Begins the work; returns what cancels it. An error that escapes it is logged."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_ended)

    async def stop() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    return stop


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        _log.error("work in the background broke", work=task.get_name(), exc_info=error)

"""Patience with a part of the service that is away for a while: it says nothing about a picture."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from soutu.domain.errors import SoutuError, Status
from soutu.observe.logs import logger

T = TypeVar("T")
_TRIES = 60
_PAUSE_S = 1.0
_log = logger(__name__)


async def patiently(work: Callable[[], Awaitable[T]]) -> T:
    """What `work` gives; it is tried again for a minute where a part is UNAVAILABLE."""
    for _ in range(_TRIES):
        try:
            return await work()
        except SoutuError as error:
            if error.reason.status is not Status.UNAVAILABLE:
                raise
            _log.warning("the build waits", reason=error.reason.name)
            await asyncio.sleep(_PAUSE_S)
    return await work()

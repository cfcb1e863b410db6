"""Sweeping: objects that no image needs any more go, after a grace period and in two steps.

A content is marked when it is first seen unused. One that is still unused a grace period later is barred
from being taken up, its objects are removed, and then it is forgotten. A crash in between leaves it barred,
and the next sweep removes it again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from soutu.domain.errors import SoutuError
from soutu.domain.objects import THUMBNAIL_SIDES, content_key, thumbnail_key
from soutu.observe.logs import logger
from soutu.operations.background import in_background
from soutu.ports import Clock, ImageCatalog, ObjectStore

_SHARD = 500
REQUEST_AGE = timedelta(hours=48)
"""How old request ids and tombstones become."""
_log = logger(__name__)


class Sweep:
    """The sweep story. It holds `removals` while it works: who copies contents holds it, too.

    Unless it is `alone`, what another process has begun to remove is left to it for a grace period: its
    deletion of an object may come as late as that, and must not meet a new object of the same bytes.
    """

    def __init__(
        self,
        catalog: ImageCatalog,
        objects: ObjectStore,
        clock: Clock,
        grace_s: float,
        removals: asyncio.Lock,
        *,
        alone: bool = True,
    ) -> None:
        self._catalog = catalog
        self._objects = objects
        self._clock = clock
        self._grace = timedelta(seconds=grace_s)
        self._removals = removals
        self._alone = alone

    def start(self, interval_s: float) -> Callable[[], Awaitable[None]]:
        """Sweeps every `interval_s`; returns what ends it."""
        return in_background(self._repeat(interval_s), "sweep")

    async def sweep(self) -> int:
        """Removes what has been unused for the grace period; how many contents went."""
        async with self._removals:
            return await self._sweep()

    async def _sweep(self) -> int:
        removed = 0
        while swept := await self._swept():
            for sha256 in swept:
                await remove_objects(self._objects, sha256)
            await self._catalog.forget_contents(swept)
            removed += len(swept)
        await self._catalog.prune(self._clock.now() - REQUEST_AGE)
        return removed

    async def _swept(self) -> Sequence[str]:
        before = self._clock.now() - self._grace
        return await self._catalog.swept_contents(before, _SHARD, None if self._alone else before)

    async def _repeat(self, interval_s: float) -> None:
        while True:
            await asyncio.sleep(interval_s)
            try:
                removed = await self.sweep()
                _log.info("swept", contents=removed)
            except SoutuError as error:
                _log.warning("the sweep is put off", reason=error.reason.name)
            except Exception as error:  # noqa: BLE001 (the next one may do better)
                _log.error("the sweep broke", exc_info=error)


async def remove_objects(objects: ObjectStore, sha256: str) -> None:
    """Removes a content's bytes and all its thumbnails."""
    await objects.delete(content_key(sha256))
    for side in THUMBNAIL_SIDES:
        await objects.delete(thumbnail_key(sha256, side))

"""Decoder processes kept warm: whatever a file does to one, the others and the service go on."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from soutu.domain.errors import Reason, SoutuError
from soutu.imaging.job import Decoded, DecodeJob
from soutu.imaging.limits import DecodeLimits
from soutu.imaging.process import DecoderProcess
from soutu.imaging.refused import RefusedFiles
from soutu.imaging.wire import pack_job, unpack_answer


class _Slot:
    """A place for one decoder; vacant until the next job where one could not be started."""

    def __init__(self) -> None:
        self.decoder: DecoderProcess | None = None


class DecodePool:
    """Decodes untrusted images in `size` spawned processes, with limits on memory and time.

    A decoder that dies or overruns is killed and replaced in the background; its file is refused with the
    same reason from then on, a slow one after a second try. `jobs` counts what was answered, `replaced` the
    decoders lost.
    """

    def __init__(self, size: int, limits: DecodeLimits) -> None:
        self.jobs = 0
        self.replaced = 0
        self._limits = limits
        self._slots = [_Slot() for _ in range(size)]
        self._idle: asyncio.LifoQueue[_Slot] = asyncio.LifoQueue()
        self._refused = RefusedFiles()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def start(self) -> None:
        """Start every decoder; DECODER_UNAVAILABLE, and none left behind, if one cannot be."""
        started = await asyncio.gather(*(self._fill(slot) for slot in self._slots), return_exceptions=True)
        for slot in self._slots:
            self._idle.put_nowait(slot)
        failures = [failure for failure in started if failure is not None]
        if failures:
            await self.close()
            raise failures[0]

    @property
    def pids(self) -> list[int]:
        """The process ids of the decoders there are now."""
        return [slot.decoder.pid for slot in self._slots if slot.decoder is not None]

    async def decode(self, data: bytes, job: DecodeJob) -> Decoded:
        """Decode `data` in the first decoder that is free.

        Raises SoutuError: IMAGE_EMPTY, IMAGE_TOO_LARGE, IMAGE_FORMAT_UNSUPPORTED, IMAGE_UNREADABLE,
        IMAGE_RAW_UNAVAILABLE; IMAGE_TOO_SLOW past the time limit, waiting not counted; IMAGE_HOSTILE where
        the decoder died or ran out of memory; DECODER_UNAVAILABLE; SHUTTING_DOWN. A cancelled call's decoder
        finishes its answer, which nobody reads.
        """
        self._refuse_when_closed()
        self._limits.check_bytes(data)
        if reason := self._refused.reason(data):
            raise SoutuError(reason)
        slot = await self._idle.get()
        return await asyncio.shield(self._spawn(self._work(slot, data, job)))

    async def close(self) -> None:
        """Let running jobs end, refuse those that wait, end every decoder."""
        if self._closed:
            return
        self._closed = True
        for _ in self._slots:
            slot = await self._idle.get()  # those who waited before come first, and are refused
            if slot.decoder is not None:
                await slot.decoder.end()
                slot.decoder = None

    async def _work(self, slot: _Slot, data: bytes, job: DecodeJob) -> Decoded:
        """One job in one decoder; the slot is idle again afterwards, or once it is refilled."""
        lost: Reason | None = None
        try:
            self._refuse_when_closed()
            decoder = await self._living(slot)
            async with asyncio.timeout(self._limits.seconds_allowed(data)):
                lengths, body = await decoder.exchange(pack_job(data, job))
            self.jobs += 1
            return unpack_answer(lengths, body, job)
        except TimeoutError:
            lost = Reason.IMAGE_TOO_SLOW
        except (OSError, EOFError, ValueError):
            lost = Reason.IMAGE_HOSTILE
        finally:
            if lost is None:
                self._idle.put_nowait(slot)
        self._refused.add(data, lost)
        self.replaced += 1
        self._spawn(self._refill(slot))
        raise SoutuError(lost)

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise SoutuError(Reason.SHUTTING_DOWN)

    async def _living(self, slot: _Slot) -> DecoderProcess:
        """The slot's decoder, started anew where it is missing or has died while idle."""
        if slot.decoder is None or not slot.decoder.alive:
            await self._fill(slot)
        assert slot.decoder is not None
        return slot.decoder

    async def _refill(self, slot: _Slot) -> None:
        """Replace the slot's decoder; if that fails the next job tries again."""
        try:
            await self._fill(slot)
        except SoutuError:
            slot.decoder = None
        finally:
            self._idle.put_nowait(slot)

    async def _fill(self, slot: _Slot) -> None:
        ended, slot.decoder = slot.decoder, None
        if ended is not None:
            await ended.end()
        slot.decoder = await DecoderProcess.start(self._limits)

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """A task of its own, which no caller's cancellation reaches."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

"""Decoder processes kept warm: whatever a file does to one, the others and the service go on."""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any

from soutu.domain.errors import Reason, SoutuError
from soutu.imaging.job import Decoded, DecodeJob
from soutu.imaging.lanes import Lanes, Slot
from soutu.imaging.limits import DecodeLimits
from soutu.imaging.overrun import PATIENCE, Overrun
from soutu.imaging.process import DecoderProcess
from soutu.imaging.refused import RefusedFiles
from soutu.imaging.wire import pack_job, unpack_answer

_BACKSTOP_S = 1.0  # whatever becomes of Overrun, which ends a job before


class DecodePool:
    """Decodes untrusted images in `size` spawned processes, with limits on memory and time.

    A job that takes longer than most is stood in for by another decoder, and one that is slow gives way to
    all others, so that whoever sends slow files slows down nobody else (decision 0015): so up to twice as
    many processes come about.
    A decoder that dies or overruns is killed and replaced in the background; its file is refused with the
    same reason from then on, a slow one after a second try, but not one that the machine kept from computing.
    `jobs` counts what was answered, `replaced` the decoders lost.
    """

    def __init__(self, size: int, limits: DecodeLimits) -> None:
        self.jobs = 0
        self.replaced = 0
        self._limits = limits
        self._lanes = Lanes(size)
        self._refused = RefusedFiles()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def start(self) -> None:
        """Start every decoder; DECODER_UNAVAILABLE, and none left behind, if one cannot be."""
        slots = self._lanes.slots
        started = await asyncio.gather(*(self._fill(slot) for slot in slots), return_exceptions=True)
        for slot in list(slots):
            self._lanes.give_back(slot)
        failures = [failure for failure in started if failure is not None]
        if failures:
            await self.close()
            raise failures[0]

    @property
    def pids(self) -> list[int]:
        """The process ids of the decoders there are now."""
        return [slot.decoder.pid for slot in self._lanes.slots if slot.decoder is not None]

    async def decode(self, data: bytes, job: DecodeJob) -> Decoded:
        """Decode `data` in the first decoder that is free.

        Raises SoutuError: IMAGE_EMPTY, IMAGE_TOO_LARGE, IMAGE_FORMAT_UNSUPPORTED, IMAGE_UNREADABLE,
        IMAGE_RAW_UNAVAILABLE; IMAGE_TOO_SLOW once it was computed at for the time allowed; IMAGE_HOSTILE
        where the decoder died or ran out of memory; DECODER_UNAVAILABLE, also where the machine has let it
        compute for less in four times as long; SHUTTING_DOWN. A cancelled call's decoder finishes its answer,
        which nobody reads.
        """
        self._refuse_when_closed()
        self._limits.check_bytes(data)
        if reason := self._refused.reason(data):
            raise SoutuError(reason)
        slot = await self._lanes.free()
        return await asyncio.shield(self._spawn(self._work(slot, data, job)))

    async def close(self) -> None:
        """Let running jobs end, refuse those that wait, end every decoder."""
        if self._closed:
            return
        self._closed = True
        await self._lanes.drained()  # those who waited before come first, and are refused
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for slot in self._lanes.slots:
            await self._end(slot)

    async def _work(self, slot: Slot, data: bytes, job: DecodeJob) -> Decoded:
        """One job in one decoder; the slot is free again afterwards, or once it is refilled."""
        lost: Reason | None = None
        try:
            self._refuse_when_closed()
            decoder = await self._living(slot)
            lengths, body = await self._exchanged(decoder, slot, data, job)
            self.jobs += 1
            return unpack_answer(lengths, body, job)
        except TimeoutError:
            lost = Reason.DECODER_UNAVAILABLE if slot.starved else Reason.IMAGE_TOO_SLOW
        except (OSError, EOFError, ValueError):
            lost = Reason.IMAGE_HOSTILE
        finally:
            if lost is None:
                self._put_back(slot)
        self.replaced += 1
        self._spawn(self._refill(slot))
        if lost is Reason.DECODER_UNAVAILABLE:  # for which the file is not to blame
            raise SoutuError(lost, "The machine is too busy to decode the image in time; retry later.")
        self._refused.add(data, lost)
        raise SoutuError(lost)

    async def _exchanged(
        self, decoder: DecoderProcess, slot: Slot, data: bytes, job: DecodeJob
    ) -> tuple[tuple[int, int, int], bytearray]:
        """The decoder's answer, in time. A deadline knows its task, so it must not lie in the frame of a
        refusal: the task keeps that, and picture and all would wait for the garbage collector."""
        seconds = self._limits.seconds_allowed(data)
        async with asyncio.timeout(PATIENCE * seconds + _BACKSTOP_S) as deadline:
            with Overrun(decoder, deadline, seconds, slot, partial(self._stand_in, slot)):
                return await decoder.exchange(pack_job(data, job))

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise SoutuError(Reason.SHUTTING_DOWN)

    async def _living(self, slot: Slot) -> DecoderProcess:
        """The slot's decoder, started anew where it is missing or has died while idle."""
        if slot.decoder is None or not slot.decoder.alive:
            await self._fill(slot)
        assert slot.decoder is not None
        return slot.decoder

    def _stand_in(self, slot: Slot) -> None:
        """Has another slot go round instead: no job waits for its decoder to be started."""
        other = self._lanes.set_aside(slot)
        if other is None:
            return
        if other.decoder is not None and other.decoder.alive:
            self._lanes.give_back(other)
        else:
            self._spawn(self._refill(other))

    def _put_back(self, slot: Slot) -> None:
        """Frees the slot; a decoder that gave way and may not come back is replaced by a fresh one."""
        if slot.slow and slot.decoder is not None and not slot.decoder.come_back():
            self._spawn(self._refill(slot))
        else:
            self._lanes.give_back(slot)

    async def _refill(self, slot: Slot) -> None:
        """Replace the slot's decoder; if that fails, or the slot is not needed, the next job does."""
        try:
            if self._closed or (slot.aside and self._lanes.full):
                await self._end(slot)
            else:
                await self._fill(slot)
        except SoutuError:
            slot.decoder = None
        finally:
            self._lanes.give_back(slot)

    async def _fill(self, slot: Slot) -> None:
        await self._end(slot)
        slot.decoder = await DecoderProcess.start(self._limits)

    async def _end(self, slot: Slot) -> None:
        ended, slot.decoder = slot.decoder, None
        if ended is not None:
            await ended.end()

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """A task of its own, which no caller's cancellation reaches."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
